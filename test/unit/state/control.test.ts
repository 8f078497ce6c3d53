import { expect, test } from 'vitest'
import { Control, type ControlValue, decodeControlValue, encodeControlValue } from '../../../src/state/control.ts'

/** Keeps what was written as bytes, as the log does. */
function table() {
  const kept = new Map<string, Buffer>()
  return {
    kept,
    get: (key: string) => (kept.has(key) ? decodeControlValue(kept.get(key)!, key) : undefined),
    entries: () => [][Symbol.iterator](),
    put: async (key: string, value: ControlValue | null) => {
      if (value === null) kept.delete(key)
      else kept.set(key, encodeControlValue(value))
      return {} as never
    },
    catchUp: async () => {},
  }
}

test('what was here when a link began is kept, in entries that a broker takes', async () => {
  const kept = table()
  const control = new Control(
    kept,
    () => 1,
    () => {},
  )
  const contents = new Map(
    Array.from({ length: 20_000 }, (_, at) => [`topic-${at}`, { topicId: `id-${at}`, ends: [at, 0, 7] }] as const),
  )
  expect(control.hasBegun('eu')).toBe(false)
  await control.begin('eu', contents)
  expect(control.hasBegun('eu')).toBe(true)
  expect(control.hasBegun('ap')).toBe(false)
  expect(control.endsBefore('eu', 'topic-0')).toEqual({ topicId: 'id-0', ends: [0, 0, 7] })
  expect(control.endsBefore('eu', 'topic-19999')).toEqual({ topicId: 'id-19999', ends: [19_999, 0, 7] })
  expect(control.endsBefore('eu', 'other')).toBeUndefined()
  for (const value of kept.kept.values()) expect(value.length).toBeLessThan(1_000_000)
})
