import { crc32c } from '@node-rs/crc32'
import { CODEC_NAMES, type CodecName, compress } from '../../../src/record/codecs.ts'
import type { RecordHeader } from '../../../src/record/records.ts'

/**
 * A second encoder of record batches, written from the format's description and sharing nothing with the product's:
 * slow, with BigInt varints, and free to set what only brokers and the log cleaner set.
 */
export interface RawRecord {
  readonly offsetDelta: number
  readonly timestampDelta: number | bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  readonly attributes?: number
}

export interface RawBatch {
  readonly baseOffset: number
  readonly leaderEpoch: number
  /** Without the codec bits. */
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number | bigint
  readonly maxTimestamp: number | bigint
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly codec: CodecName
  readonly records: readonly RawRecord[]
}

function varint(value: number | bigint): Buffer {
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const out: number[] = []
  do {
    const bits = Number(left & 0x7fn)
    left >>= 7n
    out.push(left === 0n ? bits : bits | 0x80)
  } while (left !== 0n)
  return Buffer.from(out)
}

function field(bytes: Buffer | null): Buffer {
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes])
}

function rawRecord(record: RawRecord): Buffer {
  const body = Buffer.concat([
    Buffer.from([record.attributes ?? 0]),
    varint(record.timestampDelta),
    varint(record.offsetDelta),
    field(record.key),
    field(record.value),
    varint(record.headers.length),
    ...record.headers.flatMap(({ key, value }) => [field(Buffer.from(key)), field(value)]),
  ])
  return Buffer.concat([varint(body.length), body])
}

export function rawBatch(batch: RawBatch): Buffer {
  const codecId = CODEC_NAMES.indexOf(batch.codec)
  const plain = Buffer.concat(batch.records.map(rawRecord))
  // The log cleaner leaves a bare header of a batch that lost all its records.
  const body = batch.records.length === 0 ? [] : compress(codecId, plain)
  const bytes = Buffer.concat([Buffer.alloc(61), ...body])
  bytes.writeBigInt64BE(BigInt(batch.baseOffset), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(batch.leaderEpoch, 12)
  bytes[16] = 2
  bytes.writeInt16BE(batch.attributes | codecId, 21)
  bytes.writeInt32BE(batch.lastOffsetDelta, 23)
  bytes.writeBigInt64BE(BigInt(batch.baseTimestamp), 27)
  bytes.writeBigInt64BE(BigInt(batch.maxTimestamp), 35)
  bytes.writeBigInt64BE(BigInt(batch.producerId), 43)
  bytes.writeInt16BE(batch.producerEpoch, 51)
  bytes.writeInt32BE(batch.baseSequence, 53)
  bytes.writeInt32BE(batch.records.length, 57)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** The CRC again, for bytes that a test has changed. */
export function withRightCrc(batch: Buffer): Buffer {
  if (batch.length >= 61) batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}
