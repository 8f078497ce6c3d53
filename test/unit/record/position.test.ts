import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import {
  clusterHash,
  decodePosition,
  encodePosition,
  originOffsetAt,
  type PositionHeader,
  positionRecordCount,
  topicIdBytes,
  topicIdText,
} from '../../../src/record/position.ts'

const position: fc.Arbitrary<PositionHeader> = fc
  .record({
    from: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 50 })),
    lead: fc.constantFrom(0, 0, 1, 900),
    runs: fc.array(fc.tuple(fc.integer({ min: 1, max: 2 ** 33 }), fc.integer({ min: 1, max: 100_000 })), {
      maxLength: 20,
    }),
    trail: fc.constantFrom(0, 0, 1, 2 ** 40),
    gap: fc.boolean(),
    topicId: fc.uuid(),
    leaderEpoch: fc.integer({ min: -1 }),
    producerId: fc.maxSafeInteger().map(Math.abs),
    cluster: fc.string(),
  })
  .map(({ from, lead, runs, trail, cluster, ...rest }) => {
    const flat: number[] = []
    let at = from + lead
    for (const [distance, count] of runs) {
      if (flat.length > 0) at += distance
      flat.push(at, count)
      at += count
    }
    return { ...rest, from, next: at + trail, runs: flat, clusterHash: clusterHash(cluster) }
  })

describe('position header', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(position, header => {
        expect(decodePosition(encodePosition(header))).toEqual(header)
      }),
      { numRuns: 1000 },
    )
  })

  test('gives every record its origin offset, and none to records that were not there', () => {
    fc.assert(
      fc.property(position, header => {
        const firsts: [number, number][] = []
        let index = 0
        for (let run = 0; run < header.runs.length; run += 2) {
          firsts.push([index, header.runs[run]!])
          index += header.runs[run + 1]!
          firsts.push([index - 1, header.runs[run]! + header.runs[run + 1]! - 1])
        }
        for (const [at, origin] of firsts) expect(originOffsetAt(header, at)).toBe(origin)
        expect(positionRecordCount(header)).toBe(index)
        expect(originOffsetAt(header, index)).toBeUndefined()
      }),
    )
  })

  test('is POSITION_BROKEN or a valid header after any damage, and never reads outside its bytes', () => {
    fc.assert(
      fc.property(position, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat({ max: 3 }), (header, at, flip, cut) => {
        const value = Buffer.from(encodePosition(header))
        value[at % value.length]! ^= flip
        const damaged = value.subarray(0, value.length - cut)
        try {
          const read = decodePosition(damaged)
          expect(encodePosition(read).length).toBeLessThanOrEqual(damaged.length)
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
          expect(error.code).toBe('POSITION_BROKEN')
        }
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    ['an empty value', Buffer.alloc(0), /0 bytes/],
    ['another version', Buffer.alloc(60, 2), /version 2, this gateway knows 1/],
    ['trailing bytes', Buffer.concat([encodePosition(sample()), Buffer.from([0])]), /1 bytes too many/],
  ])('refuses %s', (_, value, message) => {
    expect(() => decodePosition(value)).toThrow(message)
  })

  test('refuses to write runs that overlap or leave the covered range', () => {
    for (const runs of [
      [5, 3],
      [10, 5, 14, 1],
      [10, 5, 15, 1],
      [19, 2],
      [12, 0],
    ]) {
      expect(() => encodePosition({ ...sample(), runs })).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    }
  })

  test('topic ids are canonical text in memory and 16 bytes on the wire', () => {
    const text = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
    expect(topicIdBytes(text).toString('hex')).toBe('0f1e2d3c4b5a69788796a5b4c3d2e1f0')
    expect(topicIdText(topicIdBytes(text))).toBe(text)
    expect(() => topicIdBytes('orders')).toThrow("topic id 'orders' is no UUID")
  })
})

function sample(): PositionHeader {
  return {
    from: 10,
    next: 20,
    gap: false,
    topicId: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
    leaderEpoch: 1,
    producerId: 7,
    clusterHash: clusterHash('c'),
    runs: [10, 10],
  }
}
