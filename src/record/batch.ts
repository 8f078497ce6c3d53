import { crc32c } from '@node-rs/crc32'
import { GatewayError } from '../errors.ts'
import type { ReadyBatch } from './ready-batch.ts'

/**
 * The header of a record batch, magic 2 (KIP-98), read in place: a buffer and where the batch begins in it.
 * Offsets, producer ids and sequences are safe integers; a value beyond 2^53 is BATCH_CORRUPT, timestamps excepted.
 */

/** Bytes before the records. */
export const HEADER_BYTES = 61
/** baseOffset and batchLength, which batchLength does not count. */
export const LOG_OVERHEAD_BYTES = 12

export const BASE_OFFSET_AT = 0
export const BATCH_LENGTH_AT = 8
export const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
/** The CRC covers everything from here to the end of the batch. */
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const RECORD_COUNT_AT = 57

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

const TWO_POW_32 = 2 ** 32
const SEQUENCE_MODULUS = 2 ** 31

/** Signed 64 bit big-endian: exact within ±2^53, the nearest double beyond. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_POW_32 + buffer.readUInt32BE(at + 4)
}

/** Signed 64 bit big-endian. `value` is an integer; exact within ±2^53. */
export function writeInt64(buffer: Buffer, at: number, value: number): void {
  buffer.writeInt32BE(Math.floor(value / TWO_POW_32) | 0, at)
  buffer.writeUInt32BE(value >>> 0, at + 4)
}

function readSafeInt64(buffer: Buffer, at: number, what: string): number {
  const value = readInt64(buffer, at)
  if (!Number.isSafeInteger(value)) throw new GatewayError('BATCH_CORRUPT', 'partition', `${what} ${value} of a batch`)
  return value
}

export function baseOffsetOf(buffer: Buffer, at = 0): number {
  return readSafeInt64(buffer, at + BASE_OFFSET_AT, 'base offset')
}

/** Whole batch on the wire, header included. */
export function sizeBytesOf(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES
}

export function leaderEpochOf(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + LEADER_EPOCH_AT)
}

export function attributesOf(buffer: Buffer, at = 0): number {
  return buffer.readInt16BE(at + ATTRIBUTES_AT)
}

export function codecIdOf(buffer: Buffer, at = 0): number {
  return attributesOf(buffer, at) & CODEC_MASK
}

export function isTransactional(buffer: Buffer, at = 0): boolean {
  return (attributesOf(buffer, at) & TRANSACTIONAL_BIT) !== 0
}

export function isControl(buffer: Buffer, at = 0): boolean {
  return (attributesOf(buffer, at) & CONTROL_BIT) !== 0
}

export function lastOffsetDeltaOf(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT)
}

/** Where the next batch may begin: also right for batches that compaction thinned out or emptied. */
export function nextOffsetOf(buffer: Buffer, at = 0): number {
  return baseOffsetOf(buffer, at) + lastOffsetDeltaOf(buffer, at) + 1
}

/** Unix ms; -1 none. With the delete-horizon bit it is the horizon, and deltas are still relative to it (KIP-534). */
export function baseTimestampOf(buffer: Buffer, at = 0): number {
  return readInt64(buffer, at + BASE_TIMESTAMP_AT)
}

/** Unix ms; -1 none. With LogAppendTime this is every record's time. */
export function maxTimestampOf(buffer: Buffer, at = 0): number {
  return readInt64(buffer, at + MAX_TIMESTAMP_AT)
}

/** -1: written without idempotence. */
export function producerIdOf(buffer: Buffer, at = 0): number {
  return readSafeInt64(buffer, at + PRODUCER_ID_AT, 'producer id')
}

export function producerEpochOf(buffer: Buffer, at = 0): number {
  return buffer.readInt16BE(at + PRODUCER_EPOCH_AT)
}

export function baseSequenceOf(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + BASE_SEQUENCE_AT)
}

/** As the header claims. Not to be trusted before the body adds up. */
export function recordCountOf(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + RECORD_COUNT_AT)
}

/** Sequence that follows a batch: sequences wrap modulo 2^31. */
export function sequenceAfter(baseSequence: number, recordCount: number): number {
  return (baseSequence + recordCount) % SEQUENCE_MODULUS
}

/**
 * End of the batch that begins at `at`, or -1 at the end of `buffer` or at a partial tail (a broker cuts responses at
 * any byte). Throws BATCH_OLD_FORMAT for magic 0 and 1, BATCH_CORRUPT for anything that is no batch.
 */
export function batchEnd(buffer: Buffer, at: number): number {
  const available = buffer.length - at
  // Magic stands at the same place in all formats.
  if (available <= MAGIC_AT) return -1
  const magic = buffer[at + MAGIC_AT]!
  if (magic < 2) throw oldFormat(buffer, at, magic)
  if (magic > 2) throw corrupt(buffer, at, `magic ${magic}`)
  const size = sizeBytesOf(buffer, at)
  if (size < HEADER_BYTES) throw corrupt(buffer, at, `length ${size}`)
  return size > available ? -1 : at + size
}

function oldFormat(buffer: Buffer, at: number, magic: number): GatewayError {
  return new GatewayError(
    'BATCH_OLD_FORMAT',
    'partition',
    `message format magic ${magic} at offset ${readInt64(buffer, at)}: only record batches (magic 2, Kafka 0.11) cross`,
    {
      hint: 'let retention remove these old segments, rewrite the topic with a current client, or start the link behind them',
    },
  )
}

/** BATCH_CORRUPT that names the batch by its offset. */
export function corrupt(buffer: Buffer, at: number, what: string): GatewayError {
  const offset = buffer.length - at >= 8 ? readInt64(buffer, at) : 'unknown'
  return new GatewayError('BATCH_CORRUPT', 'partition', `batch at offset ${offset}: ${what}`)
}

/** The same error, naming the batch at `at` if it does not yet: varints and codecs do not know where they read. */
export function namingBatch(error: unknown, buffer: Buffer, at: number): unknown {
  if (!(error instanceof GatewayError) || error.scope !== 'partition' || error.message.startsWith('batch at '))
    return error
  const message = `batch at offset ${readInt64(buffer, at)}: ${error.message}`
  return new GatewayError(error.code, error.scope, message, { cause: error.cause ?? error, hint: error.hint })
}

/** The whole batches of a record set, as views; a partial tail is left out. */
export function splitBatches(records: Buffer): Buffer[] {
  const batches: Buffer[] = []
  let at = 0
  for (let end = batchEnd(records, 0); end > 0; end = batchEnd(records, at)) {
    batches.push(records.subarray(at, end))
    at = end
  }
  return batches
}

/** Throws BATCH_CORRUPT when the CRC-32C of the batch in [at, end) does not match its bytes. */
export function verifyCrc(buffer: Buffer, at: number, end: number): void {
  const computed = crc32c(buffer.subarray(at + ATTRIBUTES_AT, end))
  const stored = buffer.readUInt32BE(at + CRC_AT)
  if (computed !== stored) throw corrupt(buffer, at, `CRC ${hex(stored)}, its bytes give ${hex(computed)}`)
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}

/** Writes who sends a batch and in which place into its header, and then the CRC over header and body. */
export function stampBatch(
  ready: ReadyBatch,
  identity: { readonly producerId: number; readonly producerEpoch: number },
  baseSequence: number,
  transactional: boolean,
): void {
  const header = ready.header
  const attributes = header.readInt16BE(ATTRIBUTES_AT) & ~TRANSACTIONAL_BIT
  header.writeInt16BE(transactional ? attributes | TRANSACTIONAL_BIT : attributes, ATTRIBUTES_AT)
  writeInt64(header, PRODUCER_ID_AT, identity.producerId)
  header.writeInt16BE(identity.producerEpoch, PRODUCER_EPOCH_AT)
  header.writeInt32BE(baseSequence, BASE_SEQUENCE_AT)
  header.writeUInt32BE(crcOf(ready), CRC_AT)
}

function crcOf(ready: ReadyBatch): number {
  let crc = crc32c(ready.header.subarray(ATTRIBUTES_AT, HEADER_BYTES))
  for (const piece of ready.body) crc = crc32c(piece, crc)
  return crc
}

/** One buffer of header and body, for places off the hot path. */
export function flattenBatch(ready: ReadyBatch): Buffer {
  return Buffer.concat([ready.header, ...ready.body], ready.sizeBytes)
}
