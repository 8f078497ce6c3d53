import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import * as header from '../../../src/record/batch.ts'
import { decodePosition, encodePosition, type PositionHeader } from '../../../src/record/position.ts'
import { iterateRecords, positionOf } from '../../../src/record/records.ts'
import { type TransformInput, transform } from '../../../src/record/transform.ts'
import { type RawBatch, type RawRecord, rawBatch, withRightCrc } from './raw-batch.ts'
import { input, TARGET_HASH, TOPIC_ID } from './transform-input.ts'

const T0 = 1_700_000_000_000

function raw(more: Partial<RawBatch> = {}): Buffer {
  return rawBatch({
    baseOffset: 100,
    leaderEpoch: 4,
    attributes: 0,
    lastOffsetDelta: (more.records?.length ?? 2) - 1,
    baseTimestamp: T0,
    maxTimestamp: T0,
    producerId: 7,
    producerEpoch: 0,
    baseSequence: 0,
    codec: 'none',
    records: [record(0), record(1)],
    ...more,
  })
}

function record(offsetDelta: number, more: Partial<RawRecord> = {}): RawRecord {
  return { offsetDelta, timestampDelta: 0, key: null, value: Buffer.from(`value ${offsetDelta}`), headers: [], ...more }
}

/** The batches a transform writes, as bytes. */
function written(batches: readonly Buffer[], more: Partial<TransformInput> = {}): Buffer[] {
  return transform(input(batches, more)).batches.map(({ ready }) => header.flattenBatch(ready))
}

function position(batch: Buffer): PositionHeader {
  const found = positionOf(batch)
  if (found === undefined) throw new Error('no position header')
  return found
}

function failureOf(work: () => unknown): GatewayError {
  try {
    work()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('times', () => {
  test('beyond 2^53 (nanoseconds) stay exact to the bit, in a batch of their own', () => {
    const base = 1_700_000_000_000_000_001n
    const records = [record(0), record(1, { timestampDelta: 9_007_199_254_740_993n })]
    const nanos = { records, baseTimestamp: base, maxTimestamp: base + 9_007_199_254_740_993n }
    const out = written([raw(), raw({ ...nanos, baseOffset: 102 }), raw({ baseOffset: 104 })])
    expect(out.map(batch => header.recordCountOf(batch))).toEqual([2, 2, 2])
    expect(out[1]!.readBigInt64BE(header.BASE_TIMESTAMP_AT)).toBe(base)
    expect(out[1]!.readBigInt64BE(header.MAX_TIMESTAMP_AT)).toBe(nanos.maxTimestamp)
    // The delta's bytes are those of the source.
    const delta = Buffer.from('82808080808080 20'.replaceAll(' ', ''), 'hex')
    expect(out[1]!.includes(delta)).toBe(true)
  })

  test('whose distance from another batch has no exact number begin a batch of their own', () => {
    const odd = raw({
      baseOffset: 102,
      records: [record(0), record(1, { timestampDelta: -(2n ** 60n) - 1n })],
      baseTimestamp: T0 + 5,
    })
    const out = written([raw(), odd])
    expect(out.map(batch => header.recordCountOf(batch))).toEqual([3, 1])
    expect(header.baseTimestampOf(out[1]!)).toBe(T0 + 5)
  })

  test('of -1 stay -1', () => {
    const result = transform(input([raw({ baseTimestamp: -1, maxTimestamp: -1 })]))
    expect(result.batches[0]).toMatchObject({ minTimestampMs: -1, maxTimestampMs: -1 })
    const batch = header.flattenBatch(result.batches[0]!.ready)
    expect(header.baseTimestampOf(batch)).toBe(-1)
    expect(header.maxTimestampOf(batch)).toBe(-1)
    expect([...iterateRecords(batch)].map(({ timestampMs }) => timestampMs)).toEqual([-1, -1])
  })
})

describe('the covered range', () => {
  test('takes in holes before, inside and after the records', () => {
    const thinned = raw({ records: [record(3), record(7)], lastOffsetDelta: 20 })
    const [batch] = written([thinned], { from: 90, next: 130 })
    expect(position(batch!)).toMatchObject({ from: 90, next: 130, runs: [103, 1, 107, 1], leaderEpoch: 9 })
  })

  test('of split batches is contiguous, and an earlier batch carries the leader epoch of its own last record', () => {
    const second = raw({ baseOffset: 110, leaderEpoch: 6 })
    const out = written([raw(), second], { from: 100, next: 120, maxBatchBytes: 220 }).map(position)
    expect(out.map(({ from, next }) => [from, next])).toEqual([
      [100, 101],
      [101, 102],
      [102, 111],
      [111, 120],
    ])
    expect(out.map(({ leaderEpoch }) => leaderEpoch)).toEqual([4, 4, 6, 9])
  })

  test('says that it holds a gap only where there is a hole', () => {
    const second = raw({ baseOffset: 110 })
    const gaps = written([raw(), second], { from: 100, next: 112, gap: true, maxBatchBytes: 220 }).map(position)
    expect(gaps.map(({ gap }) => gap)).toEqual([false, false, true, false])
  })

  test('has no batch to stand in when no record is left', () => {
    expect(transform(input([]))).toMatchObject({ batches: [], records: 0 })
    expect(transform(input([raw()], { from: 102 }))).toMatchObject({ batches: [], records: 0 })
    expect(transform(input([raw({ records: [], lastOffsetDelta: 5 })]))).toMatchObject({ batches: [], records: 0 })
  })
})

describe('sizes', () => {
  test('a record over the limit is named by its origin offset, and does not pass for another’s', () => {
    const large = raw({ records: [record(0), record(1, { value: Buffer.alloc(5000) }), record(2)] })
    const failure = failureOf(() => transform(input([large], { maxBatchBytes: 1000 })))
    expect(failure).toMatchObject({ code: 'BATCH_TOO_LARGE', scope: 'record' })
    expect(failure.message).toContain('origin offset 101')
    expect(failure.hint).toContain('max.message.bytes')
  })

  test('large batches grow the scratch and are split at 32 MiB uncompressed', () => {
    const records = Array.from({ length: 40 }, (_, index) => record(index, { value: Buffer.alloc(1024 * 1024, index) }))
    const result = transform(input([raw({ records, codec: 'lz4' })], { from: 100, next: 140 }))
    expect(result.batches.map(({ recordCount }) => recordCount)).toEqual([31, 9])
    const values = result.batches.flatMap(({ ready }) => [...iterateRecords(header.flattenBatch(ready))])
    expect(values.map(({ value }) => [value!.length, value![5]])).toEqual(
      records.map((_, index) => [1024 * 1024, index]),
    )
  })

  test('the codec of the first batch is kept for all', () => {
    const [batch] = written([raw({ codec: 'snappy' }), raw({ baseOffset: 102, codec: 'zstd' })])
    expect(header.codecIdOf(batch!)).toBe(2)
    expect([...iterateRecords(batch!)].length).toBe(4)
  })
})

describe('a batch that contradicts itself', () => {
  test.each([
    ['a wrong CRC', flipped(raw(), 70), /batch at offset 100: CRC/],
    ['a cut', raw().subarray(0, 80), /batch at offset 100: not one whole batch/],
    ['two batches as one', Buffer.concat([raw(), raw()]), /batch at offset 100: not one whole batch/],
    ['the control bit', raw({ attributes: 0x20 }), /batch at offset 100: control batch among data/],
    ['an unknown codec', setAttributes(raw(), 5), /batch at offset 100: compression codec 5/],
    [
      'offset deltas that go back',
      raw({ records: [record(1), record(0)] }),
      /batch at offset 100: offset delta 0 after 1/,
    ],
    ['one offset twice', raw({ records: [record(1), record(1)] }), /batch at offset 100: offset delta 1 after 1/],
    [
      'an offset outside its frame',
      raw({ baseOffset: 199 }),
      /record of origin offset 200 outside its frame \[0, 200\)/,
    ],
    ['a count below its records', setCount(raw(), 1), /batch at offset 100: \d+ bytes after its 1 records/],
    ['a count above its records', setCount(raw(), 3), /batch at offset 100: a number runs past the end/],
  ])('is refused: %s', (_, batch, message) => {
    const failure = failureOf(() => transform(input([batch], { next: 200 })))
    expect(failure).toMatchObject({ code: 'BATCH_CORRUPT', scope: 'partition' })
    expect(failure.message).toMatch(message)
  })

  test('is refused when it follows a batch with higher offsets', () => {
    const failure = failureOf(() => transform(input([raw(), raw({ baseOffset: 101 })])))
    expect(failure.message).toBe('batch at offset 101: record of offset 101 after 101')
  })

  test('names the codec that failed', () => {
    const broken = withRightCrc(flipped(raw({ codec: 'zstd' }), 63))
    expect(failureOf(() => transform(input([broken])))).toMatchObject({ code: 'CODEC_FAILED' })
  })
})

describe('a relayed batch', () => {
  const covered = { from: 500, next: 510, gap: false, topicId: TOPIC_ID, leaderEpoch: 2, producerId: 3 }
  const hop = [
    { key: 'source-dc', value: Buffer.from('eu') },
    { key: 'replicated-at', value: Buffer.from('1') },
  ]

  function relayed(runs: readonly number[], records: readonly RawRecord[], more: Partial<PositionHeader> = {}): Buffer {
    const value = encodePosition({ ...covered, clusterHash: TARGET_HASH, runs, ...more })
    const last = records.at(-1)!
    const stamped = { ...last, headers: [...last.headers, { key: 'isthmus-position', value }] }
    return raw({ records: [...records.slice(0, -1), stamped], lastOffsetDelta: last.offsetDelta, baseOffset: 9000 })
  }

  test('that compaction thinned out keeps the origin offsets of what is left', () => {
    const batch = relayed(
      [500, 2, 505, 4],
      [record(1, { headers: hop }), record(3, { headers: hop }), record(5, { headers: hop })],
    )
    const [out] = written([batch], { relayed: true, from: 500, next: 510 })
    expect(position(out!).runs).toEqual([501, 1, 506, 1, 508, 1])
  })

  test('carries a gap on', () => {
    const batch = relayed([504, 1], [record(0, { headers: hop })], { gap: true })
    const [out] = written([batch], { relayed: true, from: 500, next: 510 })
    expect(position(out!).gap).toBe(true)
  })

  test('tells where the gap lies: before its first record, or somewhere in all that it covers', () => {
    const told = (runs: number[], gap = true) =>
      transform(input([relayed(runs, [record(0, { headers: hop })], { gap })], { relayed: true, from: 500, next: 510 }))
        .gaps
    expect(told([504, 1])).toEqual([{ from: 500, to: 504 }])
    expect(told([500, 1])).toEqual([{ from: 500, to: 510 }])
    expect(told([504, 1], false)).toEqual([])
  })

  test('keeps all headers but its position, which is the new writer’s', () => {
    const headers = [{ key: 'a', value: null }, ...hop, { key: 'a', value: Buffer.from('2') }]
    const [out] = written([relayed([505, 1], [record(0, { headers })])], { relayed: true })
    const read = [...iterateRecords(out!)][0]!.headers
    expect(read.map(({ key }) => key)).toEqual([
      'a',
      'source-dc',
      'replicated-at',
      'a',
      'replicated-at',
      'isthmus-position',
    ])
    expect(decodePosition(read.at(-1)!.value!).producerId).toBe(4711)
  })

  test('keeps the records below the hop limit and drops the others', () => {
    const far = [...hop, { key: 'replicated-at', value: Buffer.from('2') }]
    const batch = relayed(
      [500, 3],
      [record(0, { headers: hop }), record(1, { headers: far }), record(2, { headers: hop })],
    )
    const result = transform(input([batch], { relayed: true, maxHops: 2, from: 500, next: 503 }))
    expect(result).toMatchObject({ records: 2, droppedLoop: 1 })
    expect(position(header.flattenBatch(result.batches[0]!.ready)).runs).toEqual([500, 1, 502, 1])
  })

  test.each([
    ['without a position header', raw({ baseOffset: 9000 }), /no position header on the last record/],
    ['of another topic', relayed([500, 1], [record(0)], { topicId: TOPIC_ID.replace('0', 'f') }), /topic id ff1e2d3c/],
    ['with more records than its position', relayed([500, 1], [record(0), record(1)]), /no origin offset for record 1/],
  ])('is POSITION_BROKEN: %s', (_, batch, message) => {
    const failure = failureOf(() => transform(input([batch], { relayed: true })))
    expect(failure).toMatchObject({ code: 'POSITION_BROKEN', scope: 'partition' })
    expect(failure.message).toMatch(message)
    expect(failure.message).toContain('offset 9000')
  })
})

function flipped(batch: Buffer, at: number): Buffer {
  const copy = Buffer.from(batch)
  copy[at]! ^= 0xff
  return copy
}

function setCount(batch: Buffer, count: number): Buffer {
  const copy = Buffer.from(batch)
  copy.writeInt32BE(count, header.RECORD_COUNT_AT)
  return withRightCrc(copy)
}

function setAttributes(batch: Buffer, attributes: number): Buffer {
  const copy = Buffer.from(batch)
  copy.writeInt16BE(attributes, header.ATTRIBUTES_AT)
  return withRightCrc(copy)
}
