import { crc32c } from '@node-rs/crc32'
import type { ReadyBatch } from '../../../src/record/ready-batch.ts'

/**
 * The record batch format (KIP-98) once more, on purpose not taken from `src/record/`: what the gateway wrote is read
 * here by other code than wrote it. Uncompressed only.
 */

const HEADER_BYTES = 61
const CODEC_MASK = 0x07
const TRANSACTIONAL_BIT = 0x10
const CONTROL_BIT = 0x20

export interface BatchFacts {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly firstSequence: number
  readonly lastSequence: number
  readonly transactional: boolean
  readonly control: boolean
  readonly maxTimestampMs: number
  readonly count: number
  readonly sizeBytes: number
}

export interface RecordFacts {
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[]
}

/** What a writer stamps on a ready batch before it goes out; the result is the whole batch. */
export function stampBatch(
  batch: ReadyBatch,
  stamp: { producerId: number; producerEpoch: number; firstSequence: number; transactional: boolean },
): Buffer {
  const bytes = Buffer.concat([batch.header, ...batch.body])
  let attributes = bytes.readInt16BE(21)
  attributes = stamp.transactional ? attributes | TRANSACTIONAL_BIT : attributes & ~TRANSACTIONAL_BIT
  bytes.writeInt16BE(attributes, 21)
  bytes.writeBigInt64BE(BigInt(stamp.producerId), 43)
  bytes.writeInt16BE(stamp.producerEpoch, 51)
  bytes.writeInt32BE(stamp.firstSequence, 53)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** What a broker writes into a batch that it appends: outside the CRC. */
export function placeBatch(bytes: Buffer, baseOffset: number, leaderEpoch: number): Buffer {
  const placed = Buffer.from(bytes)
  placed.writeBigInt64BE(BigInt(baseOffset), 0)
  placed.writeInt32BE(leaderEpoch, 12)
  return placed
}

export function batchFacts(bytes: Buffer): BatchFacts {
  const attributes = bytes.readInt16BE(21)
  const baseOffset = Number(bytes.readBigInt64BE(0))
  const lastOffsetDelta = bytes.readInt32BE(23)
  const firstSequence = bytes.readInt32BE(53)
  return {
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    producerId: Number(bytes.readBigInt64BE(43)),
    producerEpoch: bytes.readInt16BE(51),
    firstSequence,
    lastSequence: firstSequence < 0 ? -1 : (firstSequence + lastOffsetDelta) % 2 ** 31,
    transactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    control: (attributes & CONTROL_BIT) !== 0,
    maxTimestampMs: Number(bytes.readBigInt64BE(35)),
    count: bytes.readInt32BE(57),
    sizeBytes: bytes.readInt32BE(8) + 12,
  }
}

/** What a broker checks of a batch that a client sends (record-batches.md 2), in words; undefined when it is accepted. */
export function producedBatchProblem(bytes: Buffer): string | undefined {
  if (bytes.length < HEADER_BYTES) return 'shorter than a header'
  const facts = batchFacts(bytes)
  if (facts.sizeBytes !== bytes.length) return `length ${facts.sizeBytes}, sent ${bytes.length}`
  if (facts.baseOffset !== 0) return `baseOffset ${facts.baseOffset}`
  if (bytes.readInt8(16) !== 2) return `magic ${bytes.readInt8(16)}`
  if (facts.control) return 'a control batch'
  if (facts.lastOffset !== facts.count - 1 || facts.count < 1)
    return `${facts.count} records, lastOffsetDelta ${facts.lastOffset}`
  if (bytes.readUInt32BE(17) !== crc32c(bytes.subarray(21))) return 'CRC'
  const deltas = recordsOf(bytes).map(record => record.offset)
  if (deltas.length !== facts.count || deltas.some((delta, i) => delta !== i)) return 'offset deltas'
  return undefined
}

/** The control batch that ends a transaction in a partition. */
export function markerBatch(producerId: number, producerEpoch: number, commit: boolean, nowMs: number): Buffer {
  // record: attributes, timestampDelta, offsetDelta, key {version 0, type}, value {version 0, coordinator epoch 0}, no headers
  const record = Buffer.from([0, 0, 0, 8, 0, 0, 0, commit ? 1 : 0, 12, 0, 0, 0, 0, 0, 0, 0])
  const bytes = Buffer.alloc(HEADER_BYTES + 1 + record.length)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt8(2, 16)
  bytes.writeInt16BE(TRANSACTIONAL_BIT | CONTROL_BIT, 21)
  bytes.writeBigInt64BE(BigInt(nowMs), 27)
  bytes.writeBigInt64BE(BigInt(nowMs), 35)
  bytes.writeBigInt64BE(BigInt(producerId), 43)
  bytes.writeInt16BE(producerEpoch, 51)
  bytes.writeInt32BE(-1, 53)
  bytes.writeInt32BE(1, 57)
  bytes.writeUInt8(record.length << 1, HEADER_BYTES)
  record.copy(bytes, HEADER_BYTES + 1)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** All records of an uncompressed batch. */
export function recordsOf(bytes: Buffer): RecordFacts[] {
  if ((bytes.readInt16BE(21) & CODEC_MASK) !== 0) throw new Error('the model reads uncompressed batches only')
  const baseOffset = Number(bytes.readBigInt64BE(0))
  const cursor = { bytes, at: HEADER_BYTES }
  const records: RecordFacts[] = []
  while (cursor.at < bytes.length) {
    const length = varint(cursor)
    const end = cursor.at + length
    cursor.at += 1
    varint(cursor)
    const offset = baseOffset + varint(cursor)
    const key = field(cursor)
    const value = field(cursor)
    const headers = Array.from({ length: varint(cursor) }, () => ({
      key: field(cursor)!.toString(),
      value: field(cursor),
    }))
    if (cursor.at !== end) throw new Error(`record of ${length} bytes ends at ${cursor.at}, not ${end}`)
    records.push({ offset, key, value, headers })
  }
  return records
}

interface Cursor {
  readonly bytes: Buffer
  at: number
}

function field(cursor: Cursor): Buffer | null {
  const length = varint(cursor)
  if (length < 0) return null
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

/** Zig-zag; as a double, so that timestamps fit. */
function varint(cursor: Cursor): number {
  let raw = 0
  let scale = 1
  for (;;) {
    const byte = cursor.bytes.readUInt8(cursor.at++)
    raw += (byte & 0x7f) * scale
    if (byte < 0x80) break
    scale *= 128
  }
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
}
