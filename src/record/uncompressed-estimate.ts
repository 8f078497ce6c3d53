import { codecIdOf, HEADER_BYTES } from './batch.ts'
import { codecName, MAX_DECOMPRESSED_BYTES } from './codecs.ts'
import { estimateLz4 } from './lz4-frame.ts'

/** Typical of JSON events, for streams that do not say. */
const USUAL_RATIO = 4

/**
 * About how many bytes the records of a batch take uncompressed, from the framing alone and at the cost of a few reads:
 * to decide how many batches to join into one (record-batches.md 2). A hint, never a bound: the bytes may lie.
 */
export function uncompressedEstimate(batch: Buffer): number {
  const body = batch.subarray(HEADER_BYTES)
  const bytes = estimate(codecIdOf(batch), body)
  return Math.max(body.length, Math.min(bytes, MAX_DECOMPRESSED_BYTES))
}

function estimate(codecId: number, body: Buffer): number {
  switch (codecName(codecId)) {
    case 'none':
      return body.length
    case 'lz4':
      return estimateLz4(body, USUAL_RATIO)
    case 'gzip':
      // The trailer's ISIZE (RFC 1952).
      return body.length < 4 ? 0 : body.readUInt32LE(body.length - 4)
    case 'snappy':
    case 'zstd':
      return body.length * USUAL_RATIO
  }
}
