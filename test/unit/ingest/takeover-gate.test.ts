import { expect, test } from 'vitest'
import type { Clock } from '../../../src/component.ts'
import { TAKEOVERS_AT_ONCE } from '../../../src/ingest/limits.ts'
import { TakeoverGate } from '../../../src/ingest/node-budget.ts'

/** Its sleeps end when aborted, or all together by `pass`. */
function clockByHand() {
  const due: (() => void)[] = []
  const sleep = (_ms: number, signal?: AbortSignal) =>
    new Promise<void>(resolve => {
      due.push(resolve)
      signal?.addEventListener('abort', () => resolve())
    })
  const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, sleep }
  const pass = () => {
    for (const end of due.splice(0)) end()
  }
  return { clock, pass }
}

const settled = () => new Promise(resolve => setImmediate(resolve))
const never = new Promise<void>(() => {})

test('fences that hang hold their slots for a moment only, and those that hang no more take none away', async () => {
  const { clock, pass } = clockByHand()
  const gate = new TakeoverGate(clock)
  for (let i = 0; i < TAKEOVERS_AT_ONCE; i++) void gate.fence(() => never)
  const begun: string[] = []
  const healthy = gate.fence(async () => void begun.push('fenced'))
  await settled()
  expect(begun).toEqual([])
  pass()
  await healthy
  await gate.read(async () => void begun.push('read'))
  expect(begun).toEqual(['fenced', 'read'])
})

test('at most so many read at once, and before fences that wait', async () => {
  const gate = new TakeoverGate(clockByHand().clock)
  const ends: (() => void)[] = []
  let reading = 0
  const read = () =>
    gate.read(() => {
      reading++
      return new Promise<void>(resolve => ends.push(resolve))
    })
  for (let i = 0; i < TAKEOVERS_AT_ONCE; i++) void read()
  const fenced: string[] = []
  void gate.fence(async () => void fenced.push('fenced'))
  void read()
  await settled()
  expect(reading).toBe(TAKEOVERS_AT_ONCE)
  ends.shift()!()
  await settled()
  expect([reading, fenced]).toEqual([TAKEOVERS_AT_ONCE + 1, []])
})
