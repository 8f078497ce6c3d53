import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { GatewayError, messageOf } from '../errors.ts'
import { compressLz4, decompressLz4 } from './lz4-frame.ts'
import { compressSnappy, decompressSnappy } from './snappy-xerial.ts'

/** Compression codecs by the id in a batch's attributes, in the formats of Kafka's Java client. */
export const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type CodecName = (typeof CODEC_NAMES)[number]

/** Largest decompressed body of one batch: what a bomb can make us allocate. */
export const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024

/** Replicas are recompressed once per target: the fast levels (numbers.md: zstd 1, gzip 1). */
const GZIP_OPTIONS = { level: 1 }
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** Output of the streaming decoders grows in pieces of this size. */
const STREAM_CHUNK_BYTES = 256 * 1024

export function codecId(name: CodecName): number {
  return CODEC_NAMES.indexOf(name)
}

export function codecName(id: number): CodecName {
  const name = CODEC_NAMES[id]
  if (name === undefined) throw new GatewayError('BATCH_CORRUPT', 'partition', `compression codec ${id} does not exist`)
  return name
}

/**
 * Body of a batch as it was before compression; for `none` the very same buffer.
 * Throws CODEC_FAILED for bytes that are broken or would exceed `maxBytes`, before allocating more than that;
 * BATCH_CORRUPT for an unknown codec.
 */
export function decompress(id: number, body: Buffer, maxBytes = MAX_DECOMPRESSED_BYTES): Buffer {
  const name = codecName(id)
  if (name === 'none') return body
  try {
    switch (name) {
      case 'lz4':
        return decompressLz4(body, maxBytes)
      case 'snappy':
        return decompressSnappy(body, maxBytes)
      case 'zstd':
        // Java's frames carry no content size, so only the streaming decoder knows when to stop.
        return zstdDecompressSync(body, { maxOutputLength: maxBytes, chunkSize: chunkFor(body) })
      case 'gzip':
        return gunzipSync(body, { maxOutputLength: maxBytes, chunkSize: chunkFor(body) })
    }
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw codecFailed(name, body, maxBytes, error)
  }
}

function chunkFor(body: Buffer): number {
  return Math.max(1024, Math.min(STREAM_CHUNK_BYTES, body.length * 8))
}

function codecFailed(name: CodecName, body: Buffer, maxBytes: number, cause: unknown): GatewayError {
  const tooLarge = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
  const why = tooLarge ? `more than ${maxBytes} bytes come out` : messageOf(cause)
  return new GatewayError('CODEC_FAILED', 'partition', `${name}, ${body.length} bytes: ${why}`, { cause })
}

/**
 * Compresses the body of a batch; the pieces in order are what goes on the wire. They never share memory with `body`,
 * except for `none`, which returns it.
 */
export function compress(id: number, body: Buffer): Buffer[] {
  const name = codecName(id)
  switch (name) {
    case 'none':
      return [body]
    case 'lz4':
      return compressLz4(body)
    case 'snappy':
      return compressSnappy(body)
    case 'zstd':
      return [zstdCompressSync(body, ZSTD_OPTIONS)]
    case 'gzip':
      return [gzipSync(body, GZIP_OPTIONS)]
  }
}
