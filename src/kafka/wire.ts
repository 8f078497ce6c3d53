/**
 * The few primitives of Kafka's wire format that the hand-written codecs (Fetch, Produce) need, on plain Buffers.
 * Reads beyond the end throw RangeError; the connection turns that into a failure and is dropped.
 */

const TWO_32 = 0x1_0000_0000
/** A varint of 32 bits has at most 5 bytes. */
const MAX_VARINT_BYTES = 5

export class WireReader {
  readonly buffer: Buffer
  position: number

  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer
    this.position = position
  }

  int8(): number {
    return this.buffer.readInt8(this.advance(1))
  }

  int16(): number {
    return this.buffer.readInt16BE(this.advance(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.advance(4))
  }

  /** As a double: Kafka's offsets, ids and times stay below 2^53. */
  int64(): number {
    const at = this.advance(8)
    return this.buffer.readInt32BE(at) * TWO_32 + this.buffer.readUInt32BE(at + 4)
  }

  unsignedVarint(): number {
    let value = 0
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.buffer.readUInt8(this.position++)
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return value
    }
    throw new RangeError(`varint longer than ${MAX_VARINT_BYTES} bytes at ${this.position}`)
  }

  /** Length of a compact array, -1 for null. Bounded by what the rest of the buffer could hold. */
  compactArrayLength(): number {
    const length = this.unsignedVarint() - 1
    if (length > this.buffer.length - this.position) throw new RangeError(`array of ${length} beyond the response`)
    return length
  }

  compactString(): string | null {
    const bytes = this.compactBytes()
    return bytes === null ? null : bytes.toString('utf8')
  }

  /** A slice of the response, not a copy; null stays null. */
  compactBytes(): Buffer | null {
    const length = this.unsignedVarint() - 1
    if (length < 0) return null
    const at = this.advance(length)
    return this.buffer.subarray(at, at + length)
  }

  uuid(): string {
    const at = this.advance(16)
    const hex = this.buffer.toString('hex', at, at + 16)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  /** Calls `visit` with each tagged field and stands behind all of them afterwards, whatever `visit` read. */
  taggedFields(visit?: (tag: number, reader: WireReader) => void): void {
    const count = this.unsignedVarint()
    for (let i = 0; i < count; i++) {
      const tag = this.unsignedVarint()
      const length = this.unsignedVarint()
      const end = this.advance(length) + length
      if (visit !== undefined) {
        this.position = end - length
        visit(tag, this)
      }
      this.position = end
    }
  }

  private advance(bytes: number): number {
    const at = this.position
    if (bytes < 0 || at + bytes > this.buffer.length) {
      throw new RangeError(`${bytes} bytes at ${at} of a response of ${this.buffer.length}`)
    }
    this.position = at + bytes
    return at
  }
}

/** Writes into one growing Buffer; `cut` closes a piece so that foreign buffers can be sent between two pieces without a copy. */
export class WireWriter {
  private buffer: Buffer
  private length = 0
  private cutAt = 0

  constructor(initialBytes: number) {
    this.buffer = Buffer.allocUnsafe(initialBytes)
  }

  int8(value: number): this {
    this.length = this.room(1).writeInt8(value, this.length)
    return this
  }

  int16(value: number): this {
    this.length = this.room(2).writeInt16BE(value, this.length)
    return this
  }

  int32(value: number): this {
    this.length = this.room(4).writeInt32BE(value, this.length)
    return this
  }

  int64(value: number): this {
    const high = Math.floor(value / TWO_32)
    this.room(8).writeInt32BE(high, this.length)
    this.length = this.buffer.writeUInt32BE(value - high * TWO_32, this.length + 4)
    return this
  }

  unsignedVarint(value: number): this {
    this.room(MAX_VARINT_BYTES)
    let rest = value
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.buffer[this.length++] = rest
    return this
  }

  compactArrayLength(count: number): this {
    return this.unsignedVarint(count + 1)
  }

  compactString(value: string | null): this {
    if (value === null) return this.unsignedVarint(0)
    const bytes = Buffer.byteLength(value)
    this.unsignedVarint(bytes + 1)
    this.length += this.room(bytes).write(value, this.length)
    return this
  }

  /** Not compact: the client id in every request header. */
  nullableString(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.byteLength(value)
    this.int16(bytes)
    this.length += this.room(bytes).write(value, this.length)
    return this
  }

  uuid(value: string): this {
    const hex = value.replaceAll('-', '')
    if (this.room(16).write(hex, this.length, 16, 'hex') !== 16) throw new RangeError(`not a UUID: ${value}`)
    this.length += 16
    return this
  }

  bytes(value: Buffer): this {
    this.length += value.copy(this.room(value.length), this.length)
    return this
  }

  noTaggedFields(): this {
    return this.int8(0)
  }

  /** What was written since the last cut. It stays valid: a later growth copies into a new buffer. */
  cut(): Buffer {
    const piece = this.buffer.subarray(this.cutAt, this.length)
    this.cutAt = this.length
    return piece
  }

  private room(bytes: number): Buffer {
    if (this.length + bytes > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes))
      this.buffer.copy(grown, 0, 0, this.length)
      this.buffer = grown
    }
    return this.buffer
  }
}
