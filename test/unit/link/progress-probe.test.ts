import { describe, expect, test } from 'vitest'
import { proves, type Signs, standstill } from '../../../src/link/progress-probe.ts'

const fine: Signs = {
  lastReceivedMs: 10_000,
  unansweredPingMs: undefined,
  outstanding: false,
  lastMovedMs: 0,
  nowMs: 10_100,
  stalledAfterMs: 5_000,
}

describe('a session stands still', () => {
  test.each<[string, Partial<Signs>, boolean]>([
    ['not when nothing is owed, however long that is', { nowMs: 1_000_000 }, false],
    ['when something is owed and has not moved', { outstanding: true, lastMovedMs: 5_000 }, true],
    ['not while what is owed moves', { outstanding: true, lastMovedMs: 9_900 }, false],
    ['when a ping has no answer and nothing else came', { unansweredPingMs: 10_000, nowMs: 15_000 }, true],
    ['not while other messages come before the answer', { unansweredPingMs: 2_000, lastReceivedMs: 9_000 }, false],
    ['not before the ping is old enough', { lastReceivedMs: 0, unansweredPingMs: 9_000 }, false],
  ])('%s', (_name, signs, stands) => {
    expect(standstill({ ...fine, ...signs }) !== undefined).toBe(stands)
  })
})

describe('a new session is believed', () => {
  test('once something moved', () => {
    expect(proves({ ...fine, outstanding: true, lastMovedMs: 10_050 }, 10_000, 1_000)).toBe(true)
    expect(proves({ ...fine, outstanding: true, lastMovedMs: 9_000 }, 10_000, 1_000)).toBe(false)
  })

  test('or once it answers and has been quiet for long enough', () => {
    expect(proves({ ...fine, lastReceivedMs: 10_500, nowMs: 11_000 }, 10_000, 1_000)).toBe(true)
    expect(proves({ ...fine, lastReceivedMs: 10_500, nowMs: 10_900 }, 10_000, 1_000)).toBe(false)
    expect(proves({ ...fine, lastReceivedMs: 10_500, unansweredPingMs: 10_600, nowMs: 12_000 }, 10_000, 1_000)).toBe(
      false,
    )
  })
})
