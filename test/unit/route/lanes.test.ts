import { describe, expect, test } from 'vitest'
import { laneOf } from '../../../src/route/lanes.ts'

describe('lanes', () => {
  test('the lane of a partition is the same in every version', () => {
    expect([laneOf('orders', 0, 16), laneOf('orders', 1, 16), laneOf('clicks.eu', 7, 16), laneOf('', 0, 16)]).toEqual(
      GOLDEN,
    )
  })

  test('partitions of one topic are spread over all lanes before any lane gets two', () => {
    const lanes = new Set(Array.from({ length: 16 }, (_, partition) => laneOf('orders', partition, 16)))
    expect(lanes.size).toBe(16)
  })

  test('many topics of one partition fill the lanes evenly', () => {
    const counts = new Array<number>(16).fill(0)
    for (let i = 0; i < 4800; i++) counts[laneOf(`topic-${i}`, 0, 16)]!++
    expect(Math.min(...counts)).toBeGreaterThan(220)
    expect(Math.max(...counts)).toBeLessThan(380)
  })
})

const GOLDEN = [8, 9, 0, 11]
