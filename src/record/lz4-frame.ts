import lz4 from 'lz4-napi'
import { GatewayError } from '../errors.ts'

/** LZ4 frames as Kafka writes them (KIP-57: the LZ4 frame format 1.5.1 with independent blocks and a right header checksum). */

const MAGIC = 0x184d2204
/** Version 01, independent blocks, no checksums; blocks of up to 64 KiB; xxHash-32 of these two bytes, second byte. */
const FRAME_HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])
const END_MARK = Buffer.alloc(4)
const BLOCK_BYTES = 64 * 1024
const STORED_BIT = 0x8000_0000
const SIZE_PREFIX_BYTES = 4

const VERSION_MASK = 0xc0
const VERSION_1 = 0x40
const BLOCK_CHECKSUM_FLAG = 0x10
const CONTENT_SIZE_FLAG = 0x08
const CONTENT_CHECKSUM_FLAG = 0x04
const DICTIONARY_FLAG = 0x01

/** No LZ4 sequence yields more than 255 bytes per byte of input. */
const MAX_EXPANSION = 255

/** Frame of independent 64 KiB blocks: header, blocks, end mark. */
export function compressLz4(body: Buffer): Buffer[] {
  const pieces: Buffer[] = [FRAME_HEADER]
  for (let at = 0; at < body.length; at += BLOCK_BYTES) {
    const raw = body.subarray(at, Math.min(body.length, at + BLOCK_BYTES))
    const block = lz4.compressSync(raw)
    // The library puts the raw size in 4 bytes before the block: just the room for the block size of the frame format.
    const size = block.length - SIZE_PREFIX_BYTES
    if (size < raw.length) {
      block.writeUInt32LE(size, 0)
      pieces.push(block)
    } else {
      pieces.push(storedBlock(raw))
    }
  }
  pieces.push(END_MARK)
  return pieces
}

function storedBlock(raw: Buffer): Buffer {
  const block = Buffer.allocUnsafe(SIZE_PREFIX_BYTES + raw.length)
  block.writeUInt32LE((STORED_BIT | raw.length) >>> 0, 0)
  raw.copy(block, SIZE_PREFIX_BYTES)
  return block
}

/** Content of the frame at the start of `frame`; what follows the frame is ignored, as by Kafka's reader. */
export function decompressLz4(frame: Buffer, maxBytes: number): Buffer {
  const layout = readLayout(frame)
  if (layout.maxContentBytes > maxBytes) {
    const exact = contentBytes(frame, layout, maxBytes)
    if (exact > maxBytes) throw failed(frame, `more than ${maxBytes} bytes come out`)
  }
  const content = lz4.decompressFrameSync(frame.subarray(0, layout.end))
  // Never seen; the walk above is the bound, this is its proof.
  if (content.length > maxBytes) throw failed(frame, `more than ${maxBytes} bytes came out`)
  return content
}

interface FrameLayout {
  readonly firstBlockAt: number
  readonly end: number
  readonly blockChecksums: boolean
  /** What can come out at most, judged by the sizes of the blocks alone. */
  readonly maxContentBytes: number
}

function readLayout(frame: Buffer): FrameLayout {
  if (frame.length < FRAME_HEADER.length) throw failed(frame, 'shorter than a frame header')
  if (frame.readUInt32LE(0) !== MAGIC) throw failed(frame, 'no LZ4 frame')
  const flags = frame[4]!
  if ((flags & VERSION_MASK) !== VERSION_1) throw failed(frame, `unknown version, flags ${flags}`)
  if ((flags & DICTIONARY_FLAG) !== 0) throw failed(frame, 'needs a dictionary')
  const sizeCode = (frame[5]! >>> 4) & 7
  if (sizeCode < 4) throw failed(frame, `block size code ${sizeCode}`)
  const blockMaxBytes = 1 << (2 * sizeCode + 8)
  const blockChecksums = (flags & BLOCK_CHECKSUM_FLAG) !== 0
  const firstBlockAt = FRAME_HEADER.length + ((flags & CONTENT_SIZE_FLAG) === 0 ? 0 : 8)
  let maxContentBytes = 0
  let at = firstBlockAt
  for (;;) {
    if (at + 4 > frame.length) throw failed(frame, 'ends inside a frame')
    const word = frame.readUInt32LE(at)
    at += 4
    if (word === 0) break
    const size = word & 0x7fff_ffff
    if (size > blockMaxBytes) throw failed(frame, `block of ${size} bytes, the frame allows ${blockMaxBytes}`)
    maxContentBytes += word >= STORED_BIT ? size : Math.min(blockMaxBytes, size * MAX_EXPANSION)
    at += size + (blockChecksums ? 4 : 0)
  }
  const end = at + ((flags & CONTENT_CHECKSUM_FLAG) === 0 ? 0 : 4)
  if (end > frame.length) throw failed(frame, 'ends inside a frame')
  return { firstBlockAt, end, blockChecksums, maxContentBytes }
}

/**
 * About how much comes out of a frame, without decoding: all blocks but the last are full, and the last is taken to be
 * compressed like the others, or by `usualRatio` where it is alone. 0 for what is no frame.
 */
export function estimateLz4(frame: Buffer, usualRatio: number): number {
  if (frame.length < FRAME_HEADER.length) return 0
  const flags = frame[4]!
  const blockMaxBytes = 1 << (2 * ((frame[5]! >>> 4) & 7) + 8)
  let at = FRAME_HEADER.length + ((flags & CONTENT_SIZE_FLAG) === 0 ? 0 : 8)
  let blocks = 0
  let blockBytes = 0
  let lastBytes = 0
  while (at + 4 <= frame.length) {
    const word = frame.readUInt32LE(at)
    if (word === 0) break
    lastBytes = word & 0x7fff_ffff
    blockBytes += lastBytes
    blocks++
    at += 4 + lastBytes + ((flags & BLOCK_CHECKSUM_FLAG) === 0 ? 0 : 4)
  }
  if (blocks <= 1) return Math.min(blockMaxBytes, lastBytes * usualRatio)
  const full = (blocks - 1) * blockMaxBytes
  return full + Math.min(blockMaxBytes, (lastBytes * full) / (blockBytes - lastBytes))
}

/** What comes out of the frame, counted without decoding; stops counting above `maxBytes`. For large block sizes only. */
function contentBytes(frame: Buffer, layout: FrameLayout, maxBytes: number): number {
  let total = 0
  let at = layout.firstBlockAt
  while (total <= maxBytes) {
    const word = frame.readUInt32LE(at)
    at += 4
    if (word === 0) break
    const size = word & 0x7fff_ffff
    total += word >= STORED_BIT ? size : blockContentBytes(frame, at, at + size)
    at += size + (layout.blockChecksums ? 4 : 0)
  }
  return total
}

/** Sums literal and match lengths of one block's sequences (LZ4 block format). */
function blockContentBytes(frame: Buffer, start: number, end: number): number {
  let total = 0
  let at = start
  while (at < end) {
    const token = frame[at++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte = 255
      while (byte === 255 && at < end) {
        byte = frame[at++]!
        literals += byte
      }
    }
    total += literals
    at += literals + 2
    // The last sequence has literals only.
    if (at > end) break
    let match = (token & 0x0f) + 4
    if (match === 19) {
      let byte = 255
      while (byte === 255 && at < end) {
        byte = frame[at++]!
        match += byte
      }
    }
    total += match
  }
  return total
}

function failed(frame: Buffer, why: string): GatewayError {
  return new GatewayError('CODEC_FAILED', 'partition', `lz4, ${frame.length} bytes: ${why}`)
}
