/** Below this a fresh buffer costs less than the bookkeeping. */
const SMALLEST_POOLED_BYTES = 64 * 1024
const LARGEST_POOLED_BYTES = 16 * 1024 * 1024
/** What lies idle is bounded; more is left to the garbage collector. */
const MAX_FREE_BYTES = 32 * 1024 * 1024

/** One response in a buffer that goes back to the pool when everyone who holds a part of it has let go. */
export class LeasedBuffer {
  readonly buffer: Buffer
  private holders = 1
  private readonly whenFree: (buffer: Buffer) => void

  constructor(buffer: Buffer, whenFree: (buffer: Buffer) => void) {
    this.buffer = buffer
    this.whenFree = whenFree
  }

  /** One more holder. */
  retain(): void {
    this.holders++
  }

  release(): void {
    this.holders--
    if (this.holders === 0) this.whenFree(this.buffer)
  }
}

/**
 * Buffers for fetch responses, used again and again: a fresh megabyte per response would cost page faults and
 * collections (record-batches.md 4).
 */
export class ResponseBuffers {
  private readonly free = new Map<number, Buffer[]>()
  private readonly onRelease: () => void
  private freeBytes = 0
  private leasedBytes = 0

  /** `onRelease` is called whenever a buffer came back. */
  constructor(onRelease: () => void) {
    this.onRelease = onRelease
  }

  /** Bytes of buffers that are filled or held. */
  get outstandingBytes(): number {
    return this.leasedBytes
  }

  /** A buffer of at least `bytes`, held once. */
  lease(bytes: number): LeasedBuffer {
    const buffer = this.take(bytes)
    this.leasedBytes += buffer.length
    return new LeasedBuffer(buffer, freed => {
      this.leasedBytes -= freed.length
      this.give(freed)
      this.onRelease()
    })
  }

  private take(bytes: number): Buffer {
    if (bytes < SMALLEST_POOLED_BYTES || bytes > LARGEST_POOLED_BYTES) return Buffer.allocUnsafeSlow(bytes)
    const size = 2 ** Math.ceil(Math.log2(bytes))
    const pooled = this.free.get(size)?.pop()
    if (pooled === undefined) return Buffer.allocUnsafeSlow(size)
    this.freeBytes -= size
    return pooled
  }

  private give(buffer: Buffer): void {
    const size = buffer.length
    if (size < SMALLEST_POOLED_BYTES || size > LARGEST_POOLED_BYTES || this.freeBytes + size > MAX_FREE_BYTES) return
    // Only sizes of our own making: an odd one was allocated as it was asked for.
    if (2 ** Math.round(Math.log2(size)) !== size) return
    this.freeBytes += size
    const ofSize = this.free.get(size)
    if (ofSize === undefined) this.free.set(size, [buffer])
    else ofSize.push(buffer)
  }
}
