import { GatewayError } from '../errors.ts'
import {
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_LENGTH_AT,
  HEADER_BYTES,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  writeInt64,
} from './batch.ts'
import { type CodecName, codecId, compress } from './codecs.ts'
import type { ReadyBatch } from './ready-batch.ts'
import type { RecordHeader } from './records.ts'
import { MAX_VARINT_BYTES, MAX_VARLONG_BYTES, varintSize, writeVarint, writeVarlong } from './varint.ts'

/** A record to be written. */
export interface NewRecord {
  readonly key: Buffer | null
  /** null: a tombstone. */
  readonly value: Buffer | null
  readonly headers?: readonly RecordHeader[]
  /** Unix ms; -1 none. */
  readonly timestampMs: number
}

/**
 * One batch of records (at least one) as a producer would send it: base offset 0, contiguous offset deltas, no
 * producer until it is stamped. For checkpoints, registry entries, the local stack and tests.
 */
export function buildBatch(records: readonly NewRecord[], codec: CodecName = 'none'): ReadyBatch {
  const first = records[0]
  if (first === undefined) throw new GatewayError('INTERNAL', 'process', 'a batch without records')
  const baseTimestampMs = first.timestampMs
  let maxTimestampMs = baseTimestampMs
  const encoded: Buffer[] = []
  for (const [index, record] of records.entries()) {
    encoded.push(encodeRecord(record, record.timestampMs - baseTimestampMs, index))
    maxTimestampMs = Math.max(maxTimestampMs, record.timestampMs)
  }
  const body = compress(codecId(codec), Buffer.concat(encoded))
  return readyBatch(body, { codecId: codecId(codec), recordCount: records.length, baseTimestampMs, maxTimestampMs })
}

/** What a header says about its body, apart from who sends it. */
export interface BodyFacts {
  readonly codecId: number
  readonly recordCount: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
}

/** Puts the header (record-batches.md 2) before a compressed body. */
export function readyBatch(body: readonly Buffer[], facts: BodyFacts): ReadyBatch {
  let sizeBytes = HEADER_BYTES
  for (const piece of body) sizeBytes += piece.length
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeInt32BE(sizeBytes - LOG_OVERHEAD_BYTES, BATCH_LENGTH_AT)
  header.writeInt32BE(-1, LEADER_EPOCH_AT)
  header[MAGIC_AT] = 2
  header.writeInt16BE(facts.codecId, ATTRIBUTES_AT)
  header.writeInt32BE(facts.recordCount - 1, LAST_OFFSET_DELTA_AT)
  writeInt64(header, BASE_TIMESTAMP_AT, facts.baseTimestampMs)
  writeInt64(header, MAX_TIMESTAMP_AT, facts.maxTimestampMs)
  writeInt64(header, PRODUCER_ID_AT, -1)
  header.writeInt16BE(-1, PRODUCER_EPOCH_AT)
  header.writeInt32BE(-1, BASE_SEQUENCE_AT)
  header.writeInt32BE(facts.recordCount, RECORD_COUNT_AT)
  return { header, body, recordCount: facts.recordCount, sizeBytes }
}

function encodeRecord(record: NewRecord, timestampDelta: number, offsetDelta: number): Buffer {
  const headers = (record.headers ?? []).map(header => ({ key: Buffer.from(header.key), value: header.value }))
  let bound = 1 + MAX_VARLONG_BYTES + 4 * MAX_VARINT_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const { key, value } of headers) bound += 2 * MAX_VARINT_BYTES + key.length + (value?.length ?? 0)
  // The fields are written behind room for the largest length, then the length right before them.
  const buffer = Buffer.allocUnsafe(MAX_VARINT_BYTES + bound)
  let at = MAX_VARINT_BYTES
  buffer[at++] = 0
  at = writeVarlong(buffer, at, timestampDelta)
  at = writeVarint(buffer, at, offsetDelta)
  at = writeBytes(buffer, at, record.key)
  at = writeBytes(buffer, at, record.value)
  at = writeVarint(buffer, at, headers.length)
  for (const { key, value } of headers) at = writeBytes(buffer, writeBytes(buffer, at, key), value)
  const length = at - MAX_VARINT_BYTES
  const start = MAX_VARINT_BYTES - varintSize(length)
  writeVarint(buffer, start, length)
  return buffer.subarray(start, at)
}

/** Length varint and bytes; null is -1. */
function writeBytes(buffer: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(buffer, at, -1)
  const start = writeVarint(buffer, at, bytes.length)
  return start + bytes.copy(buffer, start)
}
