import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BASE_OFFSET_AT, flattenBatch, splitBatches, writeInt64 } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { clusterHash, encodePosition } from '../../../src/record/position.ts'
import { hopCount, withoutProvenance } from '../../../src/record/provenance.ts'
import { iterateRecords, lastRecord, positionOf } from '../../../src/record/records.ts'
import { uncompressedEstimate } from '../../../src/record/uncompressed-estimate.ts'
import { codec, dataLog, newRecord, timeOf } from './arbitrary.ts'
import { rawBatch, withRightCrc } from './raw-batch.ts'

describe('records of a batch', () => {
  test('come back as they were built', () => {
    fc.assert(
      fc.property(fc.array(newRecord, { minLength: 1, maxLength: 30 }), codec, (records, codecName) => {
        const ready = buildBatch(records, codecName)
        const batch = flattenBatch(ready)
        expect(splitBatches(batch)).toEqual([batch])
        expect([...iterateRecords(batch)]).toEqual(records.map((record, offset) => ({ ...record, offset })))
      }),
      { numRuns: 200 },
    )
  })

  test('are read from any batch a log may hold, written by another encoder', () => {
    fc.assert(
      fc.property(dataLog(4), log => {
        for (const raw of log) {
          const read = [...iterateRecords(rawBatch(raw))]
          const expected = raw.records.map(record => ({
            offset: raw.baseOffset + record.offsetDelta,
            timestampMs: timeOf(raw, record),
            key: record.key,
            value: record.value,
            headers: record.headers,
          }))
          expect(read).toEqual(expected)
          expect(lastRecord(rawBatch(raw))).toEqual(expected.at(-1))
        }
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    ['more records than bytes for them', 57, 1000, /batch at offset 5: 1000 records in \d+ bytes/],
    ['a negative count', 57, -1, /batch at offset 5: -1 records/],
    ['one record too few', 57, 1, /batch at offset 5: \d+ bytes after its 1 records/],
    ['one record too many', 57, 3, /batch at offset 5: a number runs past the end/],
    ['offset deltas beyond the last', 23, 0, /batch at offset 5: offset delta 1/],
  ])('are refused with %s', (_, at, value, message) => {
    const record = { key: null, value: Buffer.alloc(20), timestampMs: 0 }
    const batch = flattenBatch(buildBatch([record, record]))
    writeInt64(batch, BASE_OFFSET_AT, 5)
    batch.writeInt32BE(value, at)
    expect(() => [...iterateRecords(withRightCrc(batch))]).toThrow(message)
  })
})

describe('the position of a batch', () => {
  const position = {
    from: 10,
    next: 12,
    gap: false,
    topicId: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
    leaderEpoch: 1,
    producerId: 7,
    clusterHash: clusterHash('c'),
    runs: [10, 2],
  }
  const withHeader = {
    key: null,
    value: null,
    timestampMs: 0,
    headers: [{ key: 'isthmus-position', value: encodePosition(position) }],
  }
  const without = { key: null, value: null, timestampMs: 0 }

  test('stands on its last record', () => {
    expect(positionOf(flattenBatch(buildBatch([without, withHeader], 'zstd')))).toEqual(position)
  })

  test('is undefined where the last record has none', () => {
    expect(positionOf(flattenBatch(buildBatch([withHeader, without])))).toBeUndefined()
    expect(positionOf(rawBatch({ ...bare, records: [] }))).toBeUndefined()
  })

  test('is POSITION_BROKEN where it cannot be read', () => {
    const broken = { ...without, headers: [{ key: 'isthmus-position', value: Buffer.from('x') }] }
    const batch = flattenBatch(buildBatch([broken]))
    expect(() => positionOf(batch)).toThrow(expect.objectContaining({ code: 'POSITION_BROKEN' }))
  })
})

const bare = {
  baseOffset: 3,
  leaderEpoch: 0,
  attributes: 0,
  lastOffsetDelta: 4,
  baseTimestamp: 0,
  maxTimestamp: 0,
  producerId: 1,
  producerEpoch: 0,
  baseSequence: 0,
  codec: 'lz4',
} as const

describe('provenance', () => {
  test('hops are counted by replicated-at headers, and what is not provenance is the application’s', () => {
    const headers = ['a', 'source-dc', 'replicated-at', 'a', 'replicated-at', 'isthmus-position', 'Source-dc'].map(
      key => ({
        key,
        value: null,
      }),
    )
    expect(hopCount(headers)).toBe(2)
    expect(withoutProvenance(headers).map(({ key }) => key)).toEqual(['a', 'a', 'Source-dc'])
  })
})

describe('uncompressed estimate', () => {
  test('is within a factor of three for text, in every codec', () => {
    fc.assert(
      fc.property(codec, fc.integer({ min: 20, max: 1500 }), (codecName, count) => {
        const value = (index: number) =>
          Buffer.from(
            `{"user":${(index * 7919) % 10_007},"session":"${(index * 104_729) % 1_000_003}","action":"click"}`,
          )
        const records = Array.from({ length: count }, (_, index) => ({
          key: null,
          value: value(index),
          timestampMs: index,
        }))
        const plain = flattenBatch(buildBatch(records)).length - 61
        const estimated = uncompressedEstimate(flattenBatch(buildBatch(records, codecName)))
        expect(estimated).toBeGreaterThan(plain / 3)
        expect(estimated).toBeLessThan(plain * 3)
      }),
      { numRuns: 40 },
    )
  })
})
