import type { FramePiece } from './messages.ts'

/**
 * A PullResponse with a Frame, laid out by hand for the one place where bytes count: the encoded message is written
 * straight into the buffer that gRPC allocates for it, instead of into one of its own that is then copied. grpc-js asks
 * a serialized message for `byteLength` and `copy` and for nothing else, which a test holds it to.
 */
export class EncodedFrame {
  readonly byteLength: number
  readonly #prefix: Buffer
  readonly #head: Buffer
  readonly #batches: readonly Buffer[]
  readonly #tail: Buffer

  constructor(piece: FramePiece) {
    this.#head = headOf(piece)
    this.#batches = piece.batches
    this.#tail = tailOf(piece)
    let bodyBytes = this.#head.length + this.#tail.length
    for (const { length } of piece.batches) bodyBytes += 1 + varintBytes(length) + length
    this.#prefix = Buffer.allocUnsafe(1 + varintBytes(bodyBytes))
    this.#prefix[0] = FRAME_IN_RESPONSE
    writeVarint(this.#prefix, 1, bodyBytes)
    this.byteLength = this.#prefix.length + bodyBytes
  }

  /** Writes the message into `target` from `at` on, as `Buffer.copy` would; returns the bytes written. */
  copy(target: Buffer, at = 0): number {
    let end = at + this.#prefix.copy(target, at)
    end += this.#head.copy(target, end)
    for (const batch of this.#batches) {
      target[end] = BATCHES
      end = writeVarint(target, end + 1, batch.length)
      end += batch.copy(target, end)
    }
    end += this.#tail.copy(target, end)
    return end - at
  }
}

/** Tags of the proto: field number and wire type (0 varint, 2 length-delimited). */
const tag = (field: number, wireType: 0 | 2) => (field << 3) | wireType
const FRAME_IN_RESPONSE = tag(4, 2)
const CHANNEL = tag(1, 0)
const FROM = tag(2, 0)
const NEXT = tag(3, 0)
const LEADER_EPOCH = tag(4, 0)
const HIGH_WATERMARK = tag(5, 0)
const SOURCE_TIME_MS = tag(6, 0)
const BATCHES = tag(7, 2)
const RELAYED = tag(8, 0)
const GAP = tag(9, 0)
const CONTINUED = tag(10, 0)

const MAX_VARINT_BYTES = 10
const NUMBERS_BEFORE_BATCHES = 6
const scratch = Buffer.alloc(NUMBERS_BEFORE_BATCHES * (1 + MAX_VARINT_BYTES))

function headOf(piece: FramePiece): Buffer {
  let end = 0
  const put = (fieldTag: number, value: number) => {
    scratch[end] = fieldTag
    end = writeVarint(scratch, end + 1, value)
  }
  put(CHANNEL, piece.channel)
  put(FROM, piece.from)
  put(NEXT, piece.next)
  put(LEADER_EPOCH, piece.leaderEpoch)
  put(HIGH_WATERMARK, piece.highWatermark)
  put(SOURCE_TIME_MS, piece.sourceTimeMs)
  return Buffer.from(scratch.subarray(0, end))
}

function tailOf(piece: FramePiece): Buffer {
  const bytes: number[] = []
  if (piece.relayed) bytes.push(RELAYED, 1)
  if (piece.gap) bytes.push(GAP, 1)
  if (piece.continued) bytes.push(CONTINUED, 1)
  return Buffer.from(bytes)
}

/** Proto's varint of a safe integer; negative ones are their two's complement in 64 bits. */
function writeVarint(target: Buffer, at: number, value: number): number {
  if (value < 0) return writeNegative(target, at, value)
  let rest = value
  let end = at
  while (rest >= 0x80) {
    target[end++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  target[end++] = rest
  return end
}

function writeNegative(target: Buffer, at: number, value: number): number {
  let rest = BigInt.asUintN(64, BigInt(value))
  let end = at
  while (rest >= 0x80n) {
    target[end++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  target[end++] = Number(rest)
  return end
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}
