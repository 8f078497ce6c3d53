import { describe, expect, test } from 'vitest'
import * as header from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'

const RECORD = { key: Buffer.from('k'), value: Buffer.from('v'), timestampMs: 1_700_000_000_000 }

function stored(): Buffer {
  const ready = buildBatch([RECORD, RECORD], 'lz4')
  header.stampBatch(ready, { producerId: 2 ** 40 + 1, producerEpoch: 31_000 }, 2 ** 31 - 1, true)
  return header.flattenBatch(ready)
}

describe('batch header', () => {
  test('says who sent the batch after stamping, and stamping again replaces all of it', () => {
    const ready = buildBatch([RECORD], 'none')
    header.stampBatch(ready, { producerId: 5, producerEpoch: 1 }, 9, true)
    expect(header.isTransactional(ready.header)).toBe(true)
    header.stampBatch(ready, { producerId: 2 ** 52, producerEpoch: 2 }, 10, false)
    const batch = header.flattenBatch(ready)
    header.verifyCrc(batch, 0, batch.length)
    expect(header.isTransactional(batch)).toBe(false)
    expect(header.producerIdOf(batch)).toBe(2 ** 52)
    expect(header.producerEpochOf(batch)).toBe(2)
    expect(header.baseSequenceOf(batch)).toBe(10)
  })

  test('sequences wrap to 0 after 2^31 - 1', () => {
    expect(header.sequenceAfter(2 ** 31 - 1, 1)).toBe(0)
    expect(header.sequenceAfter(2 ** 31 - 2, 5)).toBe(3)
    expect(header.sequenceAfter(0, 7)).toBe(7)
  })

  test('64 bit fields are exact up to 2^53 and negative', () => {
    const buffer = Buffer.alloc(8)
    for (const value of [0, -1, 1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53) + 1, 1_700_000_000_000]) {
      header.writeInt64(buffer, 0, value)
      expect(buffer.readBigInt64BE()).toBe(BigInt(value))
      expect(header.readInt64(buffer, 0)).toBe(value)
    }
  })

  test('a producer id beyond 2^53 is an error, not another number', () => {
    const batch = stored()
    batch.writeBigInt64BE(2n ** 60n + 1n, header.PRODUCER_ID_AT)
    expect(() => header.producerIdOf(batch)).toThrow(expect.objectContaining({ code: 'BATCH_CORRUPT' }))
  })
})

describe('walking a record set', () => {
  test('stops at a partial tail, wherever it is cut', () => {
    const batch = stored()
    const records = Buffer.concat([batch, batch])
    for (let cut = 0; cut < batch.length; cut++) {
      expect(header.splitBatches(records.subarray(0, batch.length + cut)).length).toBe(1)
    }
    expect(header.splitBatches(records).length).toBe(2)
  })

  test('reads batches in the middle of a buffer', () => {
    const batch = stored()
    const records = Buffer.concat([Buffer.alloc(100), batch])
    expect(header.batchEnd(records, 100)).toBe(records.length)
    header.verifyCrc(records, 100, records.length)
    expect(header.recordCountOf(records, 100)).toBe(2)
    expect(header.maxTimestampOf(records, 100)).toBe(RECORD.timestampMs)
  })

  test('names the offset of a batch whose CRC is wrong', () => {
    const batch = stored()
    header.writeInt64(batch, header.BASE_OFFSET_AT, 123)
    batch[batch.length - 1]! ^= 1
    expect(() => header.verifyCrc(batch, 0, batch.length)).toThrow(
      /batch at offset 123: CRC [0-9a-f]{8}, its bytes give/,
    )
  })

  test.each([
    ['a length below a header', (batch: Buffer) => batch.writeInt32BE(40, header.BATCH_LENGTH_AT), /length 52/],
    ['a negative length', (batch: Buffer) => batch.writeInt32BE(-5, header.BATCH_LENGTH_AT), /length 7/],
    ['an unknown magic', (batch: Buffer) => batch.writeUInt8(3, header.MAGIC_AT), /magic 3/],
  ])('refuses %s', (_, damage, message) => {
    const batch = stored()
    damage(batch)
    expect(() => header.batchEnd(batch, 0)).toThrow(message)
  })
})
