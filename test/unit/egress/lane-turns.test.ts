import { describe, expect, test } from 'vitest'
import type { Channel } from '../../../src/egress/channel.ts'
import { charge, LaneTurns } from '../../../src/egress/lane-turns.ts'
import { MAX_FRAME_BYTES } from '../../../src/route/batch-limits.ts'

const channel = (id: number, lane: number) => ({ id, lane, debtBytes: 0, waitsForTurn: false }) as Channel

/** Ids in the order of their turns; every channel always has more to send, `bytes` each time. */
function turns(channels: Channel[], count: number, bytes: (id: number) => number, allows = (_lane: number) => true) {
  const ring = new LaneTurns()
  for (const one of channels) ring.add(one)
  return Array.from({ length: count }, () => {
    const next = ring.take(allows)
    if (next === undefined) return 0
    charge(next, bytes(next.id))
    ring.add(next)
    return next.id
  })
}

describe('turns', () => {
  test('go round the lanes and, within a lane, round its partitions', () => {
    const channels = [channel(1, 0), channel(2, 0), channel(3, 0), channel(4, 1)]
    expect(turns(channels, 8, () => 1_000)).toEqual([1, 4, 2, 4, 3, 4, 1, 4])
  })

  test('a lane without credit is passed over', () => {
    expect(
      turns(
        [channel(1, 0), channel(2, 1)],
        3,
        () => 1,
        lane => lane === 1,
      ),
    ).toEqual([2, 2, 2])
  })

  test('a partition of large batches sends no more bytes than the others', () => {
    const sent = new Map<number, number>()
    const size = (id: number) => (id === 1 ? 8 * MAX_FRAME_BYTES : MAX_FRAME_BYTES)
    for (const id of turns([channel(1, 0), channel(2, 0), channel(3, 0)], 300, size))
      sent.set(id, (sent.get(id) ?? 0) + size(id))
    expect(sent.get(1)! / sent.get(2)!).toBeCloseTo(1, 0)
  })

  test('one alone is never held back by its debt', () => {
    expect(turns([channel(1, 0)], 3, () => 8 * MAX_FRAME_BYTES)).toEqual([1, 1, 1])
  })
})
