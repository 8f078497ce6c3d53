import {
  attributesOf,
  baseOffsetOf,
  baseTimestampOf,
  codecIdOf,
  corrupt,
  HEADER_BYTES,
  LOG_APPEND_TIME_BIT,
  lastOffsetDeltaOf,
  maxTimestampOf,
  namingBatch,
  recordCountOf,
} from './batch.ts'
import { decompress } from './codecs.ts'
import { decodePosition, type PositionHeader } from './position.ts'
import { ISTHMUS_POSITION } from './provenance.ts'
import { VarintReader } from './varint.ts'

/** A record header (KIP-82). Keys may repeat and their order counts; a value may be null. */
export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** One record of a batch. Buffers are views of the decompressed batch: copy what must outlive it. */
export interface BatchRecord {
  readonly offset: number
  /** Unix ms, -1 none; LogAppendTime where the topic says so. Exact within ±2^53. */
  readonly timestampMs: number
  readonly key: Buffer | null
  /** null: a tombstone. */
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** Smallest record: a length byte and six one-byte fields. */
export const SMALLEST_RECORD_BYTES = 7

const NOTHING = Buffer.alloc(0)

/**
 * Body of one whole batch, decompressed. Throws CODEC_FAILED, and BATCH_CORRUPT where the header claims more records
 * than the bytes can hold.
 */
export function decompressedBody(batch: Buffer): Buffer {
  const count = recordCountOf(batch)
  // Compaction leaves a bare header, codec bits and all.
  if (count === 0 && batch.length === HEADER_BYTES) return NOTHING
  const body = decompressNamed(batch)
  if (count < 0 || count * SMALLEST_RECORD_BYTES > body.length) {
    throw corrupt(batch, 0, `${count} records in ${body.length} bytes`)
  }
  return body
}

function decompressNamed(batch: Buffer): Buffer {
  try {
    return decompress(codecIdOf(batch), batch.subarray(HEADER_BYTES))
  } catch (error) {
    throw namingBatch(error, batch, 0)
  }
}

/**
 * The records of one whole batch in order, one object each: for the local stack, tools and tests, not for replication.
 * Throws BATCH_CORRUPT where the batch does not add up, CODEC_FAILED where it cannot be decompressed.
 */
export function* iterateRecords(batch: Buffer): Generator<BatchRecord, void, void> {
  const body = decompressedBody(batch)
  const count = recordCountOf(batch)
  const reader = new VarintReader(body, 0, body.length)
  for (let index = 0; index < count; index++) {
    yield nextRecord(batch, reader, body.length)
  }
  if (reader.position !== body.length) {
    throw corrupt(batch, 0, `${body.length - reader.position} bytes after its ${count} records`)
  }
}

/**
 * The last record that stands in a batch, read without looking into the others; undefined when compaction left none.
 * `body`: the decompressed body, where the caller has it already. Throws like `iterateRecords`.
 */
export function lastRecord(batch: Buffer, body = decompressedBody(batch)): BatchRecord | undefined {
  const count = recordCountOf(batch)
  if (count === 0) return undefined
  const reader = new VarintReader(body, 0, body.length)
  skipRecords(batch, reader, count - 1)
  const record = nextRecord(batch, reader, body.length)
  if (reader.position !== body.length) {
    throw corrupt(batch, 0, `${body.length - reader.position} bytes after its ${count} records`)
  }
  return record
}

/**
 * The position header on the last record of a batch; undefined when there is none: not written by a gateway, or the
 * record is gone by compaction. Whether it was copied by an application is for the caller to judge (its producerId and
 * cluster hash); so is POSITION_BROKEN, thrown for a value that is none: any application may write a header of this name.
 */
export function positionOf(batch: Buffer, body?: Buffer): PositionHeader | undefined {
  const headers = lastRecord(batch, body)?.headers ?? []
  const value = headers.findLast(header => header.key === ISTHMUS_POSITION)?.value
  return value ? decodePosition(value) : undefined
}

function skipRecords(batch: Buffer, reader: VarintReader, count: number): void {
  try {
    for (let index = 0; index < count; index++) reader.position = recordEnd(batch, reader, reader.limit)
  } catch (error) {
    throw namingBatch(error, batch, 0)
  }
}

function nextRecord(batch: Buffer, reader: VarintReader, bodyEnd: number): BatchRecord {
  try {
    return readRecord(batch, reader, recordEnd(batch, reader, bodyEnd))
  } catch (error) {
    throw namingBatch(error, batch, 0)
  }
}

/** Reads a record's length at the reader; returns where the record ends. */
function recordEnd(batch: Buffer, reader: VarintReader, bodyEnd: number): number {
  const length = reader.readVarint()
  const end = reader.position + length
  if (length < SMALLEST_RECORD_BYTES - 1 || end > bodyEnd) throw corrupt(batch, 0, `record of ${length} bytes`)
  return end
}

function readRecord(batch: Buffer, reader: VarintReader, end: number): BatchRecord {
  const bodyEnd = reader.limit
  reader.limit = end
  reader.position++ // attributes: unused by Kafka so far
  const timestampDelta = reader.readVarlong()
  const offsetDelta = reader.readVarint()
  if (offsetDelta < 0 || offsetDelta > lastOffsetDeltaOf(batch)) throw corrupt(batch, 0, `offset delta ${offsetDelta}`)
  const key = readBytes(batch, reader)
  const value = readBytes(batch, reader)
  const headers = readHeaders(batch, reader)
  if (reader.position !== end) throw corrupt(batch, 0, `record with ${end - reader.position} bytes too many`)
  reader.limit = bodyEnd
  const appendTime = (attributesOf(batch) & LOG_APPEND_TIME_BIT) !== 0
  return {
    offset: baseOffsetOf(batch) + offsetDelta,
    timestampMs: appendTime ? maxTimestampOf(batch) : baseTimestampOf(batch) + timestampDelta,
    key,
    value,
    headers,
  }
}

function readHeaders(batch: Buffer, reader: VarintReader): RecordHeader[] {
  const count = reader.readVarint()
  // Two bytes each at least.
  if (count < 0 || count * 2 > reader.limit - reader.position) throw corrupt(batch, 0, `${count} headers in a record`)
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index++) {
    const key = readBytes(batch, reader)
    if (key === null) throw corrupt(batch, 0, 'header without a key')
    headers.push({ key: key.toString('utf8'), value: readBytes(batch, reader) })
  }
  return headers
}

/** Length varint and bytes; -1 is null. */
function readBytes(batch: Buffer, reader: VarintReader): Buffer | null {
  const length = reader.readVarint()
  if (length === -1) return null
  const end = reader.position + length
  if (length < 0 || end > reader.limit) throw corrupt(batch, 0, `field of ${length} bytes`)
  const bytes = reader.buffer.subarray(reader.position, end)
  reader.position = end
  return bytes
}
