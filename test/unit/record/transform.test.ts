import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import * as header from '../../../src/record/batch.ts'
import { decodePosition, originOffsetAt } from '../../../src/record/position.ts'
import { hopCount } from '../../../src/record/provenance.ts'
import { iterateRecords, type RecordHeader } from '../../../src/record/records.ts'
import { type TransformResult, transform } from '../../../src/record/transform.ts'
import { dataLog, timeOf } from './arbitrary.ts'
import { type RawBatch, rawBatch } from './raw-batch.ts'
import { input, TARGET_HASH, TOPIC_ID } from './transform-input.ts'

const PROVENANCE = new Set(['source-dc', 'replicated-at', 'isthmus-position'])

interface Expected {
  readonly origin: number
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** The naive transform: one object per record, from the raw description, not from bytes. */
function oracle(log: readonly RawBatch[], from: number): Expected[] {
  return log.flatMap(batch =>
    batch.records
      .map(record => ({
        origin: batch.baseOffset + record.offsetDelta,
        timestampMs: timeOf(batch, record),
        key: record.key,
        value: record.value,
        headers: [
          ...record.headers.filter(({ key }) => !PROVENANCE.has(key)),
          { key: 'source-dc', value: Buffer.from('eu') },
          { key: 'replicated-at', value: Buffer.from('1700000000123') },
        ],
      }))
      .filter(({ origin }) => origin >= from),
  )
}

/** Stamps every batch, checks what a broker checks, and gives the records back with their origin offsets. */
function readBack(result: TransformResult, range: { from: number; next: number }): Expected[] {
  let from = range.from
  const records = result.batches.flatMap(batch => {
    header.stampBatch(batch.ready, { producerId: 4711, producerEpoch: 2 }, 5, false)
    const stored = header.flattenBatch(batch.ready)
    expect(stored.length).toBe(batch.ready.sizeBytes)
    header.verifyCrc(stored, 0, stored.length)
    expect(header.batchEnd(stored, 0)).toBe(stored.length)
    expect(header.baseOffsetOf(stored)).toBe(0)
    expect(header.leaderEpochOf(stored)).toBe(-1)
    expect(header.attributesOf(stored) & ~header.CODEC_MASK).toBe(0)
    expect(header.recordCountOf(stored)).toBe(batch.recordCount)
    expect(header.lastOffsetDeltaOf(stored)).toBe(batch.recordCount - 1)
    expect(batch.from).toBe(from)
    from = batch.next
    return decoded(stored, batch)
  })
  if (result.batches.length > 0) expect(from).toBe(range.next)
  expect(result.records).toBe(records.length)
  return records
}

function decoded(stored: Buffer, batch: TransformResult['batches'][number]): Expected[] {
  const read = [...iterateRecords(stored)]
  const last = read.at(-1)!
  const position = decodePosition(last.headers.at(-1)!.value!)
  expect(last.headers.at(-1)!.key).toBe('isthmus-position')
  expect(position).toMatchObject({ from: batch.from, next: batch.next, topicId: TOPIC_ID, producerId: 4711 })
  expect(position.clusterHash.equals(TARGET_HASH)).toBe(true)
  const times = read.map(record => record.timestampMs)
  expect(batch.maxTimestampMs).toBe(Math.max(...times))
  expect(batch.minTimestampMs).toBe(Math.min(...times))
  expect(header.maxTimestampOf(stored)).toBe(Math.max(...times))
  return read.map((record, index) => {
    expect(record.offset).toBe(index)
    const headers = record === last ? record.headers.slice(0, -1) : record.headers
    return {
      origin: originOffsetAt(position, index)!,
      timestampMs: record.timestampMs,
      key: record.key,
      value: record.value,
      headers,
    }
  })
}

function endOf(log: readonly RawBatch[]): number {
  const last = log.at(-1)!
  return last.baseOffset + last.lastOffsetDelta + 1
}

describe('transform of local records', () => {
  test('is what a naive transform of record objects gives, for any log', () => {
    fc.assert(
      fc.property(dataLog(5), fc.nat({ max: 30 }), (log, skipped) => {
        const range = { from: log[0]!.baseOffset + skipped, next: Math.max(endOf(log), log[0]!.baseOffset + skipped) }
        const result = transform(input(log.map(rawBatch), range))
        expect(readBack(result, range)).toEqual(oracle(log, range.from))
        const replaced = log.flatMap(batch =>
          batch.records.filter(
            record =>
              batch.baseOffset + record.offsetDelta >= range.from &&
              record.headers.some(({ key }) => PROVENANCE.has(key)),
          ),
        )
        expect(result.replacedProvenance).toBe(replaced.length)
        expect(result.droppedLoop).toBe(0)
      }),
      { numRuns: 400 },
    )
  })

  test('keeps to the size limit by splitting, with contiguous ranges and the same records', () => {
    fc.assert(
      fc.property(dataLog(4), fc.integer({ min: 300, max: 6000 }), (log, maxBatchBytes) => {
        const range = { from: Math.max(0, log[0]!.baseOffset - 2), next: endOf(log) + 3 }
        try {
          const result = transform(input(log.map(rawBatch), { ...range, maxBatchBytes }))
          for (const batch of result.batches) expect(batch.ready.sizeBytes).toBeLessThanOrEqual(maxBatchBytes)
          expect(readBack(result, range)).toEqual(oracle(log, range.from))
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
          expect(error).toMatchObject({ code: 'BATCH_TOO_LARGE', scope: 'record' })
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('transform of relayed records', () => {
  test('takes origin offsets from the position headers, adds one hop and keeps the rest', () => {
    fc.assert(
      fc.property(dataLog(4), fc.integer({ min: 400, max: 5000 }), fc.nat({ max: 20 }), (log, limit, skipped) => {
        const range = { from: log[0]!.baseOffset, next: endOf(log) }
        const relayed = relayLog(log.map(rawBatch), range, limit)
        if (relayed === undefined) return
        const asked = { from: range.from + skipped, next: Math.max(range.next, range.from + skipped) }
        const result = transform(input(relayed, { ...asked, relayed: true, stampMs: 1_700_000_009_999 }))
        const expected = oracle(log, asked.from).map(record => ({
          ...record,
          headers: [...record.headers, { key: 'replicated-at', value: Buffer.from('1700000009999') }],
        }))
        const records = readBack(result, asked)
        expect(records).toEqual(expected)
        for (const record of records) expect(hopCount(record.headers)).toBe(2)
        expect(result.replacedProvenance).toBe(0)
      }),
      { numRuns: 300 },
    )
  })

  test('drops and counts records over the hop limit', () => {
    fc.assert(
      fc.property(dataLog(3), log => {
        const range = { from: log[0]!.baseOffset, next: endOf(log) }
        const relayed = relayLog(log.map(rawBatch), range, 1_000_000)!
        const result = transform(input(relayed, { ...range, relayed: true, maxHops: 1 }))
        expect(result.batches).toEqual([])
        expect(result.droppedLoop).toBe(oracle(log, range.from).length)
      }),
      { numRuns: 50 },
    )
  })
})

/** What a relay's log holds after it wrote the batches at offsets of its own; undefined where a record is over `limit`. */
function relayLog(batches: Buffer[], range: { from: number; next: number }, limit: number): Buffer[] | undefined {
  try {
    let offset = 1000
    return transform(input(batches, { ...range, maxBatchBytes: limit })).batches.map(({ ready }) => {
      header.stampBatch(ready, { producerId: 99, producerEpoch: 0 }, 0, false)
      const stored = header.flattenBatch(ready)
      header.writeInt64(stored, header.BASE_OFFSET_AT, offset)
      offset = header.nextOffsetOf(stored) + 7
      return stored
    })
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BATCH_TOO_LARGE') return undefined
    throw error
  }
}
