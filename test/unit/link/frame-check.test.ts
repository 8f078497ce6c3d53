import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { courseFrom, takeFrame, takeProgress } from '../../../src/link/frame-check.ts'
import type { FramePiece } from '../../../src/link/messages.ts'
import { batchOf } from '../../support/link/batches.ts'

const MAX = 1_000_000
const piece = (from: number, next: number, batches: Buffer[], more: Partial<FramePiece> = {}): FramePiece => ({
  channel: 1,
  from,
  next,
  leaderEpoch: 0,
  highWatermark: next,
  sourceTimeMs: 0,
  batches,
  relayed: false,
  gap: false,
  continued: false,
  ...more,
})

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof GatewayError) return error.code
    throw error
  }
  return 'taken'
}

describe('frames of a channel', () => {
  test('are taken in order, each run cut into its batches', () => {
    const course = courseFrom(10)
    const batches = [batchOf({ baseOffset: 8, records: 5 }), batchOf({ baseOffset: 13 }), batchOf({ baseOffset: 20 })]
    const frame = takeFrame(course, piece(10, 30, [Buffer.concat(batches.slice(0, 2)), batches[2]!]), MAX)
    expect(frame?.batches).toEqual(batches)
    takeProgress(course, 35)
    expect(takeFrame(course, piece(35, 36, [batchOf({ baseOffset: 35 })]), MAX)?.from).toBe(35)
  })

  test.each<[string, FramePiece, string]>([
    ['a hole before it', piece(11, 12, [batchOf({ baseOffset: 11 })]), 'PEER_PROTOCOL'],
    ['what was sent before', piece(9, 12, [batchOf({ baseOffset: 10 })]), 'PEER_PROTOCOL'],
    ['an end before its beginning', piece(10, 9, []), 'PEER_PROTOCOL'],
    ['batches that cover nothing', piece(10, 10, [batchOf({ baseOffset: 10 })]), 'PEER_PROTOCOL'],
    ['a batch below the range', piece(10, 12, [batchOf({ baseOffset: 9 })]), 'PEER_PROTOCOL'],
    ['a batch beyond the range', piece(10, 12, [batchOf({ baseOffset: 10, records: 3 })]), 'PEER_PROTOCOL'],
    [
      'batches that overlap',
      piece(10, 20, [batchOf({ baseOffset: 10, records: 3 }), batchOf({ baseOffset: 12 })]),
      'PEER_PROTOCOL',
    ],
    ['a batch without records', piece(10, 12, [batchOf({ baseOffset: 10, records: 0 })]), 'PEER_PROTOCOL'],
    ['a control batch', piece(10, 12, [batchOf({ baseOffset: 10, attributes: 0x20 })]), 'PEER_PROTOCOL'],
    ['half a batch', piece(10, 12, [batchOf({ baseOffset: 10 }).subarray(0, 100)]), 'PEER_PROTOCOL'],
    ['other bytes', piece(10, 12, [Buffer.alloc(200, 0xff)]), 'BATCH_CORRUPT'],
  ])('with %s are not taken', (_name, frame, code) => {
    const course = courseFrom(10)
    expect(codeOf(() => takeFrame(course, frame, MAX))).toBe(code)
    expect(course.next).toBe(10)
  })

  test('of a relay keep the order of the relay’s offsets alone', () => {
    const frame = piece(10, 12, [batchOf({ baseOffset: 5_000 }), batchOf({ baseOffset: 6_000 })], { relayed: true })
    expect(takeFrame(courseFrom(10), frame, MAX)?.batches.length).toBe(2)
  })

  test('that continue one batch hold no more than the largest batch', () => {
    const batch = batchOf({ baseOffset: 0, bodyBytes: 5_000 })
    const course = courseFrom(0)
    const part = (at: number, continued: boolean) => piece(0, 1, [batch.subarray(at, at + 2_000)], { continued })
    expect(takeFrame(course, part(0, true), MAX)).toBeUndefined()
    expect(takeFrame(course, part(2_000, true), MAX)).toBeUndefined()
    expect(codeOf(() => takeProgress(course, 5))).toBe('PEER_PROTOCOL')
    expect(takeFrame(course, part(4_000, false), MAX)?.batches).toEqual([batch])
    const greedy = courseFrom(0)
    takeFrame(greedy, part(0, true), 3_000)
    expect(codeOf(() => takeFrame(greedy, part(2_000, true), 3_000))).toBe('BATCH_TOO_LARGE')
  })

  test('with any byte changed are refused by name or taken as what they are, never anything else', () => {
    const good = Buffer.concat([batchOf({ baseOffset: 10, bodyBytes: 40 }), batchOf({ baseOffset: 11, bodyBytes: 40 })])
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(good.length), (at, flip, cut) => {
        const bytes = Buffer.from(good.subarray(0, Math.max(1, cut)))
        if (at < bytes.length) bytes[at]! ^= flip
        const code = codeOf(() => takeFrame(courseFrom(10), piece(10, 12, [bytes]), MAX))
        expect(['taken', 'PEER_PROTOCOL', 'BATCH_CORRUPT', 'BATCH_OLD_FORMAT']).toContain(code)
      }),
    )
  })
})
