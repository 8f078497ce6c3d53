import { expect, test } from 'vitest'
import { RegistryGuard, type RegistryMark } from '../../../src/state/registry-guard.ts'

const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: () => new Promise<void>(() => {}) }

function guardOver(now: { topicId: string; end: number }, expected: RegistryMark) {
  const kept: number[] = []
  const log = { topicId: async () => now.topicId, endOffset: async () => now.end }
  const guard = new RegistryGuard(
    log,
    expected,
    clock,
    () => {},
    end => kept.push(end),
  )
  return { guard, kept }
}

test('a registry that was cut while no node ran is noticed at the start', async () => {
  const { guard } = guardOver({ topicId: 'id-1', end: 4 }, { topicId: 'id-1', end: 9 })
  await guard.look()
  expect(guard.broken()).toContain('moved back from 9 to 4')
})

test('its end is kept as it grows, and only then', async () => {
  const now = { topicId: 'id-1', end: 9 }
  const { guard, kept } = guardOver(now, { topicId: 'id-1', end: 9 })
  await guard.look()
  now.end = 12
  await guard.look()
  expect(guard.broken()).toBeUndefined()
  expect(kept).toEqual([12])
})
