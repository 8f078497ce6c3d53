import { messageOf } from '../errors.ts'
import type { ReaderEvents, ReaderFailure, ReaderHandle } from '../kafka/log-reader-types.ts'
import type { FetchedBatches } from '../kafka/types.ts'
import type { ClosedMessage, FrameMessage, ProgressMessage } from '../route/pull.ts'
import { type Chunk, cutFrame, dropReference } from './chunk.ts'
import { PREFETCH_BELOW_BYTES } from './limits.ts'
import { gap, type Refusal } from './resolve-start.ts'
import type { Scan } from './scan.ts'

/** What a channel needs of its session. */
export interface ChannelHost {
  /** There is something to send, or the channel is to be closed. */
  ready(channel: Channel): void
  /** Covered offsets or the high watermark moved. */
  moved(channel: Channel): void
  /** May the channel ask for records? Hardly while its lane has no credit. */
  mayFetch(channel: Channel): boolean
  /** May the channel keep records that arrived? Not while its lane has no credit and memory is short. */
  mayHold(channel: Channel): boolean
  /** Reads the registry to its end for these producers. */
  settle(producerIds: Iterable<number>): Promise<void>
  nowMs(): number
}

export interface ChannelStart {
  readonly channel: number
  readonly lane: number
  /** For messages: origin topic and partition. */
  readonly place: string
  readonly topicName: string
  readonly partition: number
  readonly position: number
  readonly highWatermark: number
  readonly fetchFrom: number
  readonly fetchEpoch: number
  readonly relayed: boolean
}

export interface ChannelFrame {
  readonly frame: FrameMessage
  readonly bytes: number
  readonly records: number
  readonly written: () => void
}

/**
 * One open partition of a session: what was fetched and waits to be sent, and how far the peer was told. What waits can
 * be let go at any time and fetched again, since only what was cut has been promised.
 */
export class Channel implements ReaderEvents {
  readonly id: number
  readonly lane: number
  readonly topicName: string
  readonly place: string
  /** Bytes of frames beyond a fair turn: paid back by turns left out (see lane-turns.ts). */
  debtBytes = 0
  /** Stands in the ring of its lane. */
  waitsForTurn = false
  readonly #start: ChannelStart
  readonly #host: ChannelHost
  readonly #scan: Scan
  readonly #scanned: () => void
  readonly #queue: Chunk[] = []
  #queuedBytes = 0
  #reader: ReaderHandle | undefined
  /** What the peer was told to be covered. */
  #sentNext: number
  /** What is covered once the queue is sent. */
  #covered: number
  #sentHighWatermark: number
  #highWatermark: number
  /** Where to fetch on when the queue is let go. */
  #cutLocalNext: number
  #cutLocalEpoch: number
  /** Where to fetch on otherwise. */
  #fetchNext: number
  #fetchEpoch: number
  #fetching = true
  /** A response that waits for the registry; a shed makes it stale. */
  #asking: FetchedBatches | undefined
  #ending: Refusal | undefined
  #closed = false

  /** `scanned` is called after each response that was scanned. */
  constructor(start: ChannelStart, scan: Scan, host: ChannelHost, scanned: () => void) {
    this.id = start.channel
    this.lane = start.lane
    this.topicName = start.topicName
    this.place = start.place
    this.#start = start
    this.#scan = scan
    this.#scanned = scanned
    this.#host = host
    this.#sentNext = start.position
    this.#covered = start.position
    this.#highWatermark = start.highWatermark
    this.#sentHighWatermark = start.highWatermark
    this.#cutLocalNext = start.fetchFrom
    this.#cutLocalEpoch = start.fetchEpoch
    this.#fetchNext = start.fetchFrom
    this.#fetchEpoch = start.fetchEpoch
  }

  follow(reader: ReaderHandle): void {
    this.#reader = reader
  }

  get sendable(): boolean {
    return this.#queue.length > 0
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Why the channel ends, once everything before that was sent. */
  get ending(): ClosedMessage | undefined {
    return this.#ending !== undefined && this.#queue.length === 0 ? { channel: this.id, ...this.#ending } : undefined
  }

  batches(fetched: FetchedBatches, fetchedFrom: number): void {
    this.#fetching = false
    if (this.#closed || this.#ending !== undefined) return fetched.release()
    this.#highWatermark = this.#start.relayed ? this.#highWatermark : fetched.highWatermark
    if (!this.#host.mayHold(this)) return fetched.release()
    this.#take(fetched, fetchedFrom)
  }

  watermark(highWatermark: number): void {
    if (this.#start.relayed || highWatermark === this.#highWatermark) return
    this.#highWatermark = highWatermark
    this.#host.moved(this)
  }

  failed(failure: ReaderFailure): void {
    this.#fetching = false
    this.#end(this.#refusalFor(failure))
  }

  /** Next frame of at most `maxBytes`, or of one batch. Only when `sendable`. */
  cut(maxBytes: number): ChannelFrame {
    const cut = cutFrame(this.#queue, maxBytes)
    const { batches, next, leaderEpoch, relayed, bytes, records, localNext, localEpoch, written } = cut
    const from = this.#sentNext
    this.#queuedBytes -= bytes
    this.#sentNext = next
    this.#cutLocalNext = localNext
    this.#cutLocalEpoch = localEpoch
    const highWatermark = this.#toldHighWatermark(next)
    const sourceTimeMs = this.#host.nowMs()
    const channel = this.id
    return {
      frame: { channel, from, next, leaderEpoch, highWatermark, sourceTimeMs, batches, relayed, gap: false },
      bytes,
      records,
      written,
    }
  }

  /** There are records that cannot be read yet: behind an open transaction, or without a leader. */
  get waitsForLog(): boolean {
    return this.#queue.length === 0 && this.#highWatermark > this.#covered && !this.#closed
  }

  /** What can be told without records; undefined when that is nothing new, unless `again`. */
  progress(again = false): ProgressMessage | undefined {
    if (this.#queue.length > 0 || this.#closed) return undefined
    const moved = this.#covered !== this.#sentNext || this.#highWatermark !== this.#sentHighWatermark
    if (!moved && !again) return undefined
    this.#sentNext = this.#covered
    const highWatermark = this.#toldHighWatermark(this.#covered)
    // A relay's log has leader epochs of its own, which say nothing about the origin's.
    const leaderEpoch = this.#start.relayed ? -1 : this.#fetchEpoch
    return { channel: this.id, next: this.#covered, leaderEpoch, highWatermark, sourceTimeMs: this.#host.nowMs() }
  }

  /** Asks for the next response where there is room for it. */
  wantMore(): void {
    if (this.#fetching || this.#closed || this.#ending !== undefined || this.#reader === undefined) return
    if (this.#queuedBytes >= PREFETCH_BELOW_BYTES || !this.#host.mayFetch(this)) return
    this.#fetching = true
    this.#reader.next(this.#fetchNext, this.#fetchEpoch)
  }

  /** Lets go of what waits; it is fetched again by a later `wantMore`. Returns the bytes let go. */
  shed(): number {
    if (this.#queue.length === 0 || this.#ending !== undefined) return 0
    const bytes = this.#queuedBytes
    this.#reader?.pause()
    this.#dropQueue()
    this.#asking = undefined
    this.#fetching = false
    this.#covered = this.#sentNext
    this.#fetchNext = this.#cutLocalNext
    this.#fetchEpoch = this.#cutLocalEpoch
    return bytes
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#reader?.remove()
    this.#dropQueue()
  }

  #take(fetched: FetchedBatches, fetchedFrom: number): void {
    const scanned = this.#scan(fetched, fetchedFrom, this.#covered)
    this.#scanned()
    if (scanned.kind === 'ask-registry') {
      this.#askRegistry(fetched, fetchedFrom, scanned.producerIds)
      return
    }
    const { chunk, covered, fetchNext, leaderEpoch, end } = scanned
    if (chunk.starts.length > 0) {
      this.#queue.push(chunk)
      this.#queuedBytes += chunk.bytesLeft
    } else dropReference(chunk)
    this.#covered = covered
    this.#fetchNext = fetchNext
    if (leaderEpoch >= 0) this.#fetchEpoch = leaderEpoch
    if (this.#queue.length === 0) {
      this.#cutLocalNext = this.#fetchNext
      this.#cutLocalEpoch = this.#fetchEpoch
    }
    if (this.#start.relayed) this.#highWatermark = Math.max(this.#highWatermark, covered)
    if (end !== undefined) this.#end(end)
    else this.wantMore()
    this.#host.moved(this)
    if (this.#queue.length > 0) this.#host.ready(this)
  }

  #askRegistry(fetched: FetchedBatches, fetchedFrom: number, producerIds: Iterable<number>): void {
    this.#fetching = true
    this.#asking = fetched
    const stale = () => this.#closed || this.#asking !== fetched || this.#ending !== undefined
    this.#host.settle(producerIds).then(
      () => {
        if (stale()) return fetched.release()
        this.#asking = undefined
        this.#fetching = false
        this.#take(fetched, fetchedFrom)
      },
      (error: unknown) => {
        const why = messageOf(error)
        if (!stale())
          this.#end({ reason: 'source-unavailable', message: `${this.place}: the registry cannot be read: ${why}` })
        fetched.release()
      },
    )
  }

  #end(refusal: Refusal): void {
    this.#ending ??= refusal
    this.#host.ready(this)
  }

  #dropQueue(): void {
    for (const chunk of this.#queue) dropReference(chunk)
    this.#queue.length = 0
    this.#queuedBytes = 0
  }

  /** A broker that just became leader may tell less than was committed before. */
  #toldHighWatermark(next: number): number {
    this.#sentHighWatermark = this.#highWatermark
    return Math.max(this.#highWatermark, next)
  }

  #refusalFor(failure: ReaderFailure): Refusal {
    const { place, topicName } = this
    const { partition, relayed } = this.#start
    const at = this.#covered
    switch (failure.kind) {
      case 'out-of-range':
        if (relayed) return this.#relayLost(`${place}: the relay's own log no longer has what follows ${at}`)
        if (failure.offset < failure.logStartOffset)
          return gap({ name: topicName }, partition, at, failure.logStartOffset)
        return truncated(place, at, failure.endOffset)
      case 'diverged':
        if (relayed) return this.#relayLost(`${place}: the relay's own log was truncated`)
        return truncated(place, at, failure.endOffset)
      case 'topic-recreated':
        if (relayed) return this.#relayLost(`${place}: the relay's own topic was deleted and created again`)
        return {
          reason: 'topic-recreated',
          message: `${place} was deleted and created again`,
          topicId: failure.topicId,
        }
      case 'topic-missing':
        return { reason: 'topic-missing', message: `${place} is gone` }
      case 'denied':
        return { reason: 'source-unavailable', message: `${place}: ${failure.message}` }
      case 'old-format':
        return {
          reason: 'old-format',
          message: `${place}: message format magic ${failure.magic} at offset ${failure.offset}`,
        }
      case 'corrupt':
        return { reason: 'corrupt', message: `${place}: offset ${failure.offset}: ${failure.message}` }
    }
  }

  /** What happened to a relay's log says nothing about the origin's: the target finds its place anew. */
  #relayLost(message: string): Refusal {
    return { reason: 'source-unavailable', message }
  }
}

function truncated(place: string, position: number, endOffset: number): Refusal {
  return {
    reason: 'truncated',
    message: `${place}: the log was truncated to ${endOffset}, below what was fetched up to ${position}`,
    gapFrom: position,
    gapTo: endOffset,
  }
}
