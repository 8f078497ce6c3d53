import { codecIdOf, HEADER_BYTES } from './batch.ts'
import { codecName, MAX_DECOMPRESSED_BYTES } from './codecs.ts'

/** Typical of JSON events, for streams that do not say. */
const USUAL_RATIO = 4
const LZ4_HEADER_BYTES = 7
const LZ4_CONTENT_SIZE_FLAG = 0x08
const LZ4_BLOCK_CHECKSUM_FLAG = 0x10

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
      return lz4Estimate(body)
    case 'gzip':
      // The trailer's ISIZE (RFC 1952).
      return body.length < 4 ? 0 : body.readUInt32LE(body.length - 4)
    case 'snappy':
    case 'zstd':
      return body.length * USUAL_RATIO
  }
}

/** All blocks but the last are full; the last is taken to be compressed like the others. */
function lz4Estimate(frame: Buffer): number {
  if (frame.length < LZ4_HEADER_BYTES) return 0
  const flags = frame[4]!
  const blockMaxBytes = 1 << (2 * ((frame[5]! >>> 4) & 7) + 8)
  let at = LZ4_HEADER_BYTES + ((flags & LZ4_CONTENT_SIZE_FLAG) === 0 ? 0 : 8)
  let blocks = 0
  let blockBytes = 0
  let lastBytes = 0
  while (at + 4 <= frame.length) {
    const word = frame.readUInt32LE(at)
    if (word === 0) break
    lastBytes = word & 0x7fff_ffff
    blockBytes += lastBytes
    blocks++
    at += 4 + lastBytes + ((flags & LZ4_BLOCK_CHECKSUM_FLAG) === 0 ? 0 : 4)
  }
  if (blocks <= 1) return Math.min(blockMaxBytes, lastBytes * USUAL_RATIO)
  const full = (blocks - 1) * blockMaxBytes
  return full + Math.min(blockMaxBytes, (lastBytes * full) / (blockBytes - lastBytes))
}
