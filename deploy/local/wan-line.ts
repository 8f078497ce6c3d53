import type { Socket } from 'node:net'

/** What holds for all bytes that travel from one data center to another; shared by all their connections. */
export interface LineConditions {
  delayMs: number
  bytesPerSecond: number | null
  blackhole: boolean
  /** Delivered bytes. */
  delivered: number
  /** When the bottleneck is free again, ms of `performance.now()`. */
  freeAtMs: number
}

/** Bytes under way without a rate limit: at 200 ms this still lets 320 MB/s through. */
const MAX_UNDER_WAY_BYTES = 64 * 1024 * 1024
/** With a rate limit: this much waits before the bottleneck, beside what the delay holds. */
const BOTTLENECK_BUFFER_BYTES = 256 * 1024
/** A chunk takes at most this long at the bottleneck, so that a slow rate is a trickle and not lumps. */
const MAX_CHUNK_MS = 20
const MIN_CHUNK_BYTES = 256

interface Parcel {
  /** null: the end of the stream. */
  readonly bytes: Buffer | null
  readonly dueMs: number
}

/**
 * One direction of one connection: every byte comes out after the delay, whatever came before it is still under way
 * (a line, not a lock-step), no faster than the rate, in order. Reads from its source only while there is room.
 */
export class DelayLine {
  /** Bytes were swallowed: what follows would be out of place, so the connection must not be used any more. */
  torn = false
  private readonly source: Socket
  private readonly sink: Socket
  private readonly conditions: LineConditions
  private readonly queue: Parcel[] = []
  private underWayBytes = 0
  private timer: NodeJS.Timeout | undefined
  private sinkIsFull = false

  constructor(source: Socket, sink: Socket, conditions: LineConditions) {
    this.source = source
    this.sink = sink
    this.conditions = conditions
    source.on('data', (chunk: Buffer) => this.take(chunk))
    source.on('end', () => this.takeEnd())
    sink.on('drain', () => {
      this.sinkIsFull = false
      this.deliver()
    })
  }

  close(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.queue.length = 0
  }

  private take(chunk: Buffer): void {
    if (this.conditions.blackhole) {
      this.torn = true
      return
    }
    const limit = this.chunkLimit()
    for (let at = 0; at < chunk.length; at += limit) {
      const bytes = chunk.subarray(at, at + limit)
      this.underWayBytes += bytes.length
      this.queue.push({ bytes, dueMs: this.dueMs(bytes.length) })
    }
    this.deliver()
    if (this.underWayBytes > this.room()) this.source.pause()
  }

  private takeEnd(): void {
    if (this.conditions.blackhole) {
      this.torn = true
      return
    }
    this.queue.push({ bytes: null, dueMs: this.dueMs(0) })
    this.deliver()
  }

  private chunkLimit(): number {
    const rate = this.conditions.bytesPerSecond
    if (rate === null) return Number.POSITIVE_INFINITY
    return Math.max(MIN_CHUNK_BYTES, Math.floor((rate * MAX_CHUNK_MS) / 1000))
  }

  private dueMs(bytes: number): number {
    const { conditions } = this
    const nowMs = performance.now()
    if (conditions.bytesPerSecond === null) return nowMs + conditions.delayMs
    conditions.freeAtMs = Math.max(nowMs, conditions.freeAtMs) + (bytes * 1000) / conditions.bytesPerSecond
    return conditions.freeAtMs + conditions.delayMs
  }

  private room(): number {
    const { bytesPerSecond, delayMs } = this.conditions
    if (bytesPerSecond === null) return MAX_UNDER_WAY_BYTES
    return Math.min(MAX_UNDER_WAY_BYTES, BOTTLENECK_BUFFER_BYTES + (bytesPerSecond * delayMs) / 1000)
  }

  private deliver(): void {
    if (this.timer !== undefined) return
    let done = 0
    while (done < this.queue.length && !this.sinkIsFull) {
      const { bytes, dueMs } = this.queue[done]!
      const waitMs = dueMs - performance.now()
      if (waitMs > 0.5) {
        this.timer = setTimeout(() => {
          this.timer = undefined
          this.deliver()
        }, Math.ceil(waitMs))
        break
      }
      done++
      this.put(bytes)
    }
    this.queue.splice(0, done)
    if (this.source.isPaused() && this.underWayBytes < this.room() / 2) this.source.resume()
  }

  private put(bytes: Buffer | null): void {
    if (bytes === null) {
      this.sink.end()
      return
    }
    this.underWayBytes -= bytes.length
    // What was under way when the path became a black hole is lost too.
    if (this.conditions.blackhole) {
      this.torn = true
      return
    }
    this.conditions.delivered += bytes.length
    if (!this.sink.destroyed && !this.sink.write(bytes)) this.sinkIsFull = true
  }
}
