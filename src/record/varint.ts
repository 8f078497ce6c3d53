import { GatewayError } from '../errors.ts'

/**
 * Zig-zag varints as Kafka writes them in record batches v2 (KIP-98, protobuf encoding): 32 bit in up to 5 bytes,
 * 64 bit in up to 10. Numbers only: a BigInt per record would cost more than the rest of the splice.
 */

const TWO_POW_32 = 2 ** 32

/** Longest encodings, in bytes. */
export const MAX_VARINT_BYTES = 5
export const MAX_VARLONG_BYTES = 10

/** Reads varints in sequence, never beyond `limit`. One reader serves a whole batch; nothing is allocated per record. */
export class VarintReader {
  buffer: Buffer
  position: number
  /** First byte that may not be read. */
  limit: number

  constructor(buffer: Buffer, position: number, limit: number) {
    this.buffer = buffer
    this.position = position
    this.limit = limit
  }

  /** Signed 32 bit. Throws BATCH_CORRUPT when it runs over the limit or has more than 5 bytes. */
  readVarint(): number {
    if (this.position < this.limit) {
      const byte = this.buffer[this.position]!
      if (byte < 0x80) {
        this.position++
        return (byte >>> 1) ^ -(byte & 1)
      }
    }
    return this.readLongVarint()
  }

  /**
   * Signed 64 bit as a number: exact within ±2^53, the nearest double beyond.
   * Throws BATCH_CORRUPT when it runs over the limit or has more than 10 bytes.
   */
  readVarlong(): number {
    const buffer = this.buffer
    let position = this.position
    // Deltas of up to 2^27 ms (37 hours) take the short way.
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      if (position >= this.limit) throw pastTheEnd()
      const byte = buffer[position++]!
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = position
        return (low >>> 1) ^ -(low & 1)
      }
    }
    this.position = position
    return this.readHighPart(low)
  }

  private readLongVarint(): number {
    const buffer = this.buffer
    let position = this.position
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (position >= this.limit) throw pastTheEnd()
      const byte = buffer[position++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = position
        return (value >>> 1) ^ -(value & 1)
      }
    }
    throw new GatewayError('BATCH_CORRUPT', 'partition', `varint of more than ${MAX_VARINT_BYTES} bytes`)
  }

  private readHighPart(low28: number): number {
    let low = low28
    let high = 0
    for (let index = 4; index < MAX_VARLONG_BYTES; index++) {
      if (this.position >= this.limit) throw pastTheEnd()
      const byte = this.buffer[this.position++]!
      const bits = byte & 0x7f
      if (index === 4) {
        low |= bits << 28
        high = bits >>> 4
      } else {
        high |= bits << (7 * index - 32)
      }
      if (byte < 0x80) {
        const half = (high >>> 1) * TWO_POW_32 + (((high << 31) | (low >>> 1)) >>> 0)
        return (low & 1) === 0 ? half : -half - 1
      }
    }
    throw new GatewayError('BATCH_CORRUPT', 'partition', `varlong of more than ${MAX_VARLONG_BYTES} bytes`)
  }
}

function pastTheEnd(): GatewayError {
  return new GatewayError('BATCH_CORRUPT', 'partition', 'a number runs past the end of its record or batch')
}

/** Bytes that `value` (signed 32 bit) takes. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Writes a signed 32 bit value at `position`; returns the position after it. The caller has made sure of the room. */
export function writeVarint(target: Buffer, position: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  let at = position
  while (zigzag > 0x7f) {
    target[at++] = (zigzag & 0x7f) | 0x80
    zigzag >>>= 7
  }
  target[at++] = zigzag
  return at
}

/** Writes a signed safe integer at `position`; returns the position after it. The caller has made sure of the room. */
export function writeVarlong(target: Buffer, position: number, value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return writeVarint(target, position, value)
  const high32 = Math.floor(value / TWO_POW_32) | 0
  const low32 = value >>> 0
  const sign = high32 >> 31
  let low = ((low32 << 1) ^ sign) >>> 0
  let high = (((high32 << 1) | (low32 >>> 31)) ^ sign) >>> 0
  let at = position
  while (high !== 0 || low > 0x7f) {
    target[at++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  target[at++] = low
  return at
}

/** Bytes that `value` (a safe integer) takes. */
export function varlongSize(value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return varintSize(value)
  let high = value >= 0 ? value / 2 ** 34 : (-value - 1) / 2 ** 34
  let bytes = 5
  while (high >= 1) {
    high /= 128
    bytes++
  }
  return bytes
}
