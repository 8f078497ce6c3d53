import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PeerBreaker } from '../../../src/link/breaker.ts'
import { DEFAULT_BREAKER_SETTINGS } from '../../../src/link/breaker-policy.ts'

const settings = { ...DEFAULT_BREAKER_SETTINGS, failures: 2, retryAfterMs: 1_000, slowStartMs: 0 }

let breaker: PeerBreaker
beforeEach(() => {
  vi.useFakeTimers()
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now(), sleep: async () => {} }
  breaker = new PeerBreaker('eu', settings, { clock, random: () => 1 })
})
afterEach(() => {
  breaker.stop()
  vi.useRealTimers()
})

const working = { proof: async () => {} }
const fail = (message = 'refused') =>
  breaker
    .attempt(async () => {
      throw new Error(message)
    })
    .catch(() => {})

describe('the circuit of a peer', () => {
  test('opens after failures in a row, says why, and lets nothing through', async () => {
    await fail()
    expect(breaker.status.state).toBe('closed')
    await fail('no Welcome within 3000 ms')
    expect(breaker.status).toMatchObject({ state: 'open', reason: 'no Welcome within 3000 ms', openedTotal: 1 })
    expect(breaker.admits).toBe(false)
    await expect(breaker.attempt(async () => working)).rejects.toThrow(/breaker of eu is open/)
  })

  test('lets one attempt through when the pause is over, and closes when that was seen to work', async () => {
    breaker.stalled('no answer')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breaker.status.state).toBe('half-open')
    let prove = () => {}
    const proof = new Promise<void>(resolve => {
      prove = resolve
    })
    await breaker.attempt(async () => ({ proof: () => proof }))
    expect(breaker.status.state).toBe('half-open')
    expect(breaker.admits).toBe(false)
    prove()
    await vi.advanceTimersByTimeAsync(0)
    expect(breaker.status.state).toBe('closed')
    expect(breaker.admits).toBe(true)
  })

  test('waits longer after each attempt that failed', async () => {
    breaker.stalled('no answer')
    await vi.advanceTimersByTimeAsync(1_000)
    await fail()
    expect(breaker.status.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1_999)
    expect(breaker.status.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.status.state).toBe('half-open')
  })

  test('a session that worked at first and then stood still opens it again, also while it is tried', async () => {
    breaker.stalled('no answer')
    await vi.advanceTimersByTimeAsync(1_000)
    await breaker.attempt(async () => ({ proof: () => Promise.reject(new Error('stood still')) }))
    await vi.advanceTimersByTimeAsync(0)
    expect(breaker.status).toMatchObject({ state: 'open', reason: 'stood still' })
  })

  test('aborts attempts when it opens; their late success closes nothing', async () => {
    let welcome = (_session: typeof working) => {}
    let aborted = false
    const late = breaker.attempt(signal => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return new Promise<typeof working>(resolve => {
        welcome = resolve
      })
    })
    late.catch(() => {})
    breaker.stalled('no answer')
    expect(aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breaker.status.state).toBe('half-open')
    welcome(working)
    await expect(late).rejects.toThrow(/breaker/)
    expect(breaker.status.state).not.toBe('closed')
  })
})
