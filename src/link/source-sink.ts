import type { CatalogTopic, ClosedMessage, FrameMessage, OpenedMessage, ProgressMessage } from '../route/pull.ts'
import { encodeResponse } from './codec.ts'
import { piecesOf, type QueuedFrame } from './frame-writer.ts'
import { CATALOG_TOPICS_PER_MESSAGE, SINK_HIGH_WATER_BYTES, SINK_MAX_MESSAGES, WRITE_AHEAD_BYTES } from './limits.ts'
import type { SourceSays } from './messages.ts'
import type { FrameSink } from './ports.ts'

/** What the sink needs of a gRPC stream. */
export interface ResponseStream {
  write(message: Buffer | QueuedFrame, taken: () => void): unknown
}

export interface SinkEvents {
  /** Egress ended this channel. */
  closed(channel: number): void
  /** The peer takes nothing and even the small messages pile up; the session must end. */
  overflow(): void
}

interface Waiting {
  readonly message: Buffer | QueuedFrame
  readonly bytes: number
  readonly written: (() => void) | undefined
}

/** Taken entries at the front of the queue before it is moved up. */
const COMPACT_AT = 256

/**
 * The bounded queue between egress and the socket of one session. Only little is handed to gRPC ahead of time
 * (`WRITE_AHEAD_BYTES`): the rest can still be dropped when the peer does not read and the session ends.
 */
export class SourceSink implements FrameSink {
  readonly #stream: ResponseStream
  readonly #events: SinkEvents
  readonly #monotonicMs: () => number
  readonly #waiting: Waiting[] = []
  #head = 0
  #waitingBytes = 0
  readonly #taking = new Set<Waiting>()
  #takingBytes = 0
  #drain: (() => void) | undefined
  #full = false
  #corked = true
  #ended = false
  /** Monotonic ms of the last time the socket took something, or there was nothing to take. */
  lastTakenMs: number
  framesWritten = 0
  batchBytesWritten = 0

  constructor(stream: ResponseStream, events: SinkEvents, monotonicMs: () => number) {
    this.#stream = stream
    this.#events = events
    this.#monotonicMs = monotonicMs
    this.lastTakenMs = monotonicMs()
  }

  /** Nothing is handed to gRPC before this, so that a session may still be refused after egress spoke. */
  uncork(): void {
    this.#corked = false
    this.#hand()
  }

  get queuedBytes(): number {
    return this.#waitingBytes + this.#takingBytes
  }

  catalog(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void {
    let at = 0
    do {
      const chunk = topics.slice(at, at + CATALOG_TOPICS_PER_MESSAGE)
      at += CATALOG_TOPICS_PER_MESSAGE
      const continued = at < topics.length
      this.say({ kind: 'catalog', catalog: { topics: chunk, removed: continued ? [] : removed, full, continued } })
    } while (at < topics.length)
  }

  opened(message: OpenedMessage): void {
    this.say({ kind: 'opened', opened: message })
  }

  frame(message: FrameMessage, written: () => void): boolean {
    const pieces = piecesOf(message)
    const last = pieces.length - 1
    pieces.forEach((queued, index) => {
      this.#put({ message: queued, bytes: queued.bytes, written: index === last ? written : undefined })
    })
    if (this.queuedBytes < SINK_HIGH_WATER_BYTES) return true
    this.#full = true
    return false
  }

  progress(message: ProgressMessage): void {
    this.say({ kind: 'progress', progress: message })
  }

  closed(message: ClosedMessage): void {
    this.#events.closed(message.channel)
    this.say({ kind: 'closed', closed: message })
  }

  onDrain(listener: () => void): void {
    this.#drain = listener
  }

  say(says: SourceSays): void {
    const message = encodeResponse(says)
    this.#put({ message, bytes: message.length, written: undefined })
  }

  /** Drops what gRPC was not given yet. What it was given is released as it is taken, or by `abandon`. */
  end(): void {
    this.#ended = true
    const dropped = this.#waiting.slice(this.#head)
    this.#waiting.length = 0
    this.#head = 0
    this.#waitingBytes = 0
    for (const { written } of dropped) written?.()
  }

  /** The stream is gone: gRPC will neither read nor report what it was given. */
  abandon(): void {
    this.end()
    for (const { written } of this.#taking) written?.()
    this.#taking.clear()
    this.#takingBytes = 0
  }

  /** Nothing is on its way any more. */
  get idle(): boolean {
    return this.#taking.size === 0 && this.#waiting.length === this.#head
  }

  #put(item: Waiting): void {
    if (this.#ended) {
      item.written?.()
      return
    }
    if (this.#waiting.length - this.#head >= SINK_MAX_MESSAGES) {
      item.written?.()
      this.#events.overflow()
      return
    }
    if (this.idle) this.lastTakenMs = this.#monotonicMs()
    this.#waiting.push(item)
    this.#waitingBytes += item.bytes
    this.#hand()
  }

  #hand(): void {
    if (this.#corked) return
    while (this.#head < this.#waiting.length && this.#takingBytes < WRITE_AHEAD_BYTES) {
      const item = this.#waiting[this.#head]!
      this.#head++
      this.#waitingBytes -= item.bytes
      this.#takingBytes += item.bytes
      this.#taking.add(item)
      this.#stream.write(item.message, () => this.#taken(item))
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting.length = 0
      this.#head = 0
    } else if (this.#head >= COMPACT_AT) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
  }

  #taken(item: Waiting): void {
    if (!this.#taking.delete(item)) return
    this.#takingBytes -= item.bytes
    this.lastTakenMs = this.#monotonicMs()
    if (!Buffer.isBuffer(item.message)) {
      this.framesWritten++
      this.batchBytesWritten += item.bytes
    }
    item.written?.()
    if (this.#ended) return
    this.#hand()
    if (this.#full && this.queuedBytes < SINK_HIGH_WATER_BYTES / 2) {
      this.#full = false
      this.#drain?.()
    }
  }
}
