import { expect, test } from 'vitest'
import { faultText, ROUND_MS, scheduleRound } from '../chaos/schedule.ts'
import { seededRandom } from '../support/ledger-random.ts'

const SITE = { gateways: ['eu-1', 'us-1'], brokers: ['kafka-eu-1', 'kafka-us-1'], paths: ['eu-us', 'us-eu'] }

test('a seed fixes the schedule of faults', () => {
  expect(scheduleRound(seededRandom(4), SITE)).toEqual(scheduleRound(seededRandom(4), SITE))
  expect(scheduleRound(seededRandom(4), SITE)).not.toEqual(scheduleRound(seededRandom(5), SITE))
})

test('nothing is hit again before it is whole, and every kind of fault comes', () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const schedule = scheduleRound(seededRandom(seed), SITE)
    const busyUntilMs = new Map<string, number>()
    for (const scheduled of schedule) {
      const { atMs, forMs, fault } = scheduled
      expect(atMs).toBeLessThan(ROUND_MS)
      expect(faultText(scheduled)).not.toBe('')
      seen.add(fault.kind === 'wan' ? fault.change.kind : fault.kind)
      if (!('name' in fault)) continue
      expect(busyUntilMs.get(fault.name) ?? 0).toBeLessThanOrEqual(atMs)
      busyUntilMs.set(fault.name, atMs + forMs)
    }
  }
  const all = [
    'add-partition',
    'blackhole',
    'cut',
    'delay',
    'kill',
    'new-topic',
    'pause',
    'rate',
    'reset-every',
    'restart',
  ]
  expect([...seen].sort()).toEqual(all)
})
