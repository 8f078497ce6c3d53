import { compressSync, uncompressSync } from 'snappy'
import { GatewayError } from '../errors.ts'

/**
 * Snappy as Kafka's Java client writes it: the stream framing of xerial's snappy-java (16-byte header, then chunks of
 * 4-byte big-endian length and a raw Snappy block). Raw blocks, as librdkafka's C users and Go clients write them, are read too.
 */

const HEADER_BYTES = 16
/** Magic, version 1, lowest compatible version 1. */
const STREAM_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const MAGIC_BYTES = 8
/** Snappy looks for matches within 64 KiB only. */
const CHUNK_BYTES = 64 * 1024
/** A copy element of 3 bytes yields at most 64; a block that claims more is broken. */
const MAX_EXPANSION = 22

export function compressSnappy(body: Buffer): Buffer[] {
  const pieces: Buffer[] = [STREAM_HEADER]
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    const block = compressSync(body.subarray(at, Math.min(body.length, at + CHUNK_BYTES)))
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(block.length, 0)
    pieces.push(length, block)
  }
  return pieces
}

/** Bounded by the sizes that the blocks state, which are checked against `maxBytes` and against what Snappy can reach. */
export function decompressSnappy(stream: Buffer, maxBytes: number): Buffer {
  if (!isXerial(stream)) {
    statedBytes(stream, stream, maxBytes)
    return uncompressSync(stream, { asBuffer: true }) as Buffer
  }
  const chunks: Buffer[] = []
  let total = 0
  let at = HEADER_BYTES
  while (at < stream.length) {
    if (at + 4 > stream.length) throw failed(stream, 'ends inside a chunk length')
    const length = stream.readUInt32BE(at)
    at += 4
    if (length > stream.length - at) throw failed(stream, `chunk of ${length} bytes, ${stream.length - at} left`)
    const block = stream.subarray(at, at + length)
    total += statedBytes(stream, block, maxBytes - total)
    chunks.push(uncompressSync(block, { asBuffer: true }) as Buffer)
    at += length
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

function isXerial(stream: Buffer): boolean {
  return stream.length >= HEADER_BYTES && stream.compare(STREAM_HEADER, 0, MAGIC_BYTES, 0, MAGIC_BYTES) === 0
}

/** Uncompressed size in front of a raw block (unsigned varint), refused before anything is allocated for it. */
function statedBytes(stream: Buffer, block: Buffer, allowedBytes: number): number {
  let size = 0
  for (let index = 0; index < 5 && index < block.length; index++) {
    const byte = block[index]!
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte >= 0x80) continue
    if (size > allowedBytes) throw failed(stream, `a block states ${size} bytes, ${allowedBytes} are allowed`)
    if (size > block.length * MAX_EXPANSION) throw failed(stream, `${block.length} bytes cannot hold ${size}`)
    return size
  }
  throw failed(stream, 'a block without its size')
}

function failed(stream: Buffer, why: string): GatewayError {
  return new GatewayError('CODEC_FAILED', 'partition', `snappy, ${stream.length} bytes: ${why}`)
}
