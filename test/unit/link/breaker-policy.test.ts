import { describe, expect, test } from 'vitest'
import {
  ALL_LANES,
  type BreakerPolicy,
  closedBreaker,
  DEFAULT_BREAKER_SETTINGS,
  lanesAllowed,
  opened,
  proven,
  retried,
  ticked,
} from '../../../src/link/breaker-policy.ts'

const settings = { ...DEFAULT_BREAKER_SETTINGS, retryAfterMs: 1_000, retryMaxMs: 8_000, slowStartMs: 4_000, lanes: 16 }

/**
 * A scenario is one event a line, `@ms event argument`, and after it what state is expected:
 * `fail <random>`, `retry`, `proven [generation]`, `tick`, `hold`, `release`.
 */
function play(script: string): void {
  let policy: BreakerPolicy = closedBreaker(0)
  for (const line of script.trim().split('\n')) {
    const [event, expected] = line.split('=>').map(part => part.trim()) as [string, string]
    const [at, name, argument] = event.split(/\s+/) as [string, string, string | undefined]
    const now = Number(at.slice(1))
    policy = apply(policy, name, argument, now)
    expect(`${event} => ${describePolicy(policy)}`).toBe(`${event} => ${expected}`)
  }
}

function apply(policy: BreakerPolicy, event: string, argument: string | undefined, now: number): BreakerPolicy {
  switch (event) {
    case 'fail':
      return opened(policy, 'no answer', now, Number(argument), settings)
    case 'retry':
      return retried(policy, now)
    case 'proven':
      return proven(policy, argument === undefined ? policy.generation : Number(argument), now, settings)
    case 'tick':
      return ticked(policy, now, settings)
    default:
      throw new Error(event)
  }
}

function describePolicy(policy: BreakerPolicy): string {
  const lanes = lanesAllowed(policy)
  const tail = `${lanes === ALL_LANES ? 'all' : lanes} g${policy.generation}`
  return policy.phase.kind === 'open' ? `open till ${policy.phase.nextTryMs} ${tail}` : `${policy.phase.kind} ${tail}`
}

describe('the breaker of a peer', () => {
  test('opens, tries with one lane, and brings the lanes back by doubling', () => {
    play(`
      @0     fail 1    => open till 1000 0 g1
      @1000  retry     => half-open 1 g1
      @1500  proven    => slow-start 1 g1
      @2400  tick      => slow-start 1 g1
      @2500  tick      => slow-start 2 g1
      @3500  tick      => slow-start 4 g1
      @4600  tick      => slow-start 8 g1
      @5500  tick      => closed all g1
    `)
  })

  test('stays away longer each time, jittered and capped, and starts anew once it was closed', () => {
    play(`
      @0     fail 1    => open till 1000 0 g1
      @1000  retry     => half-open 1 g1
      @1100  fail 1    => open till 3100 0 g2
      @3100  retry     => half-open 1 g2
      @3200  fail 0    => open till 5200 0 g3
      @5200  retry     => half-open 1 g3
      @5200  fail 1    => open till 13200 0 g4
      @13200 retry     => half-open 1 g4
      @13200 fail 1    => open till 21200 0 g5
      @21200 retry     => half-open 1 g5
      @21300 proven    => slow-start 1 g5
      @30000 tick      => closed all g5
      @31000 fail 1    => open till 32000 0 g6
    `)
  })

  test('falls back from slow start, with a longer pause', () => {
    play(`
      @0     fail 1    => open till 1000 0 g1
      @1000  retry     => half-open 1 g1
      @1100  proven    => slow-start 1 g1
      @2200  tick      => slow-start 2 g1
      @2300  fail 1    => open till 4300 0 g2
    `)
  })

  test('does not believe the late success of an older attempt', () => {
    play(`
      @0     fail 1    => open till 1000 0 g1
      @1000  retry     => half-open 1 g1
      @1100  fail 1    => open till 3100 0 g2
      @1200  proven 1  => open till 3100 0 g2
      @3100  retry     => half-open 1 g2
      @3150  proven 1  => half-open 1 g2
      @3200  proven 2  => slow-start 1 g2
    `)
  })

  test('counts nothing twice: failures while open change nothing', () => {
    play(`
      @0     fail 1    => open till 1000 0 g1
      @500   fail 1    => open till 1000 0 g1
      @600   proven    => open till 1000 0 g1
      @700   tick      => open till 1000 0 g1
    `)
  })

  test('without a slow start it closes at once', () => {
    const quick = { ...settings, slowStartMs: 0 }
    const open = retried(opened(closedBreaker(0), 'x', 0, 1, quick), 1_000)
    expect(proven(open, open.generation, 1_100, quick).phase.kind).toBe('closed')
  })
})
