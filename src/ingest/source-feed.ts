import type { Clock } from '../component.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { maxTimestampOf } from '../record/batch.ts'
import type {
  ClosedMessage,
  CloseReason,
  FrameMessage,
  OpenedMessage,
  ProgressMessage,
  StartAt,
} from '../route/pull.ts'
import { accept, type Cut, cut, emptyInbox, holdsOldData, type Inbox, recordsIn, wireBytes } from './inbox.ts'
import { REOPEN_FIRST_MS, REOPEN_MAX_MS } from './limits.ts'
import type { IngestObserver } from './ports.ts'
import type { PartitionSpec, RunEnd } from './run.ts'
import { type Standing, standingAt } from './standing.ts'

/** Where a partition asks for its records: its channel in the session of the moment, given by the link. */
export interface SourceChannel {
  open(start: StartAt, originTopicId: string | undefined): void
  close(): void
  ack(next: number): void
}

/** What is decided by config for one topic. */
export interface PartitionPolicy {
  readonly start: Exclude<StartAt, { kind: 'position' }>
  readonly gap: 'skip' | 'halt'
  readonly originRecreated: 'restart' | 'halt'
  readonly targetRecreated: 'refill' | 'halt'
}

export interface FeedEvents {
  wake(): void
  /** Bytes of frames that were written, or dropped: the lane's credit comes back, whichever session brought them. */
  giveBack(bytes: number): void
  /** The source cannot go on as it is: the run must end so. */
  end(end: RunEnd): void
}

export interface Lag {
  /** As far as the source last said. */
  readonly records: number
  /** Age of the oldest record that is not safe here; without a source at least the time since it was last heard. */
  readonly ms: number
  readonly highWatermark: number
}

/** A source that ended the channel for good, as an error of ours. Other reasons are temporary. */
const HALTING: Partial<Record<CloseReason, ErrorCode>> = {
  truncated: 'PARTITION_TRUNCATED',
  corrupt: 'BATCH_CORRUPT',
  'old-format': 'BATCH_OLD_FORMAT',
  'too-large': 'BATCH_TOO_LARGE',
  'registry-broken': 'REGISTRY_BROKEN',
}

/** One partition's side towards its source: the channel, what arrived and is not yet written, and when to ask again. */
export class SourceFeed {
  readonly #spec: PartitionSpec
  readonly #policy: PartitionPolicy
  readonly #clock: Clock
  readonly #observer: IngestObserver
  readonly #events: FeedEvents
  #channel: SourceChannel | undefined
  #wanted: { readonly start: 'policy' } | { readonly start: 'position'; readonly standing: Standing } | undefined
  #opened: OpenedMessage | undefined
  #inbox: Inbox = emptyInbox(0)
  /** Origin leader epoch of what lies directly below `receivedNext`, -1 unknown: the source compares histories by it. */
  #leaderEpoch = -1
  #reopen: { readonly atMs: number; readonly waitMs: number } | undefined
  #reopenWaitMs = REOPEN_FIRST_MS
  #highWatermark = -1
  #lagMs = 0
  /** When the source last said anything, monotonic. */
  #heardMs: number
  #waitingFor = 'a session'
  #asking = false

  constructor(
    spec: PartitionSpec,
    policy: PartitionPolicy,
    clock: Clock,
    observer: IngestObserver,
    events: FeedEvents,
  ) {
    this.#spec = spec
    this.#policy = policy
    this.#clock = clock
    this.#observer = observer
    this.#events = events
    this.#heardMs = clock.monotonicMs()
  }

  /** Ask the source where the start policy begins. */
  wantStart(): void {
    this.#wanted = { start: 'policy' }
    this.#openChannel()
  }

  /** Ask the source for everything from here on; what is buffered and still continues is kept. */
  wantFrom(standing: Standing): void {
    const already = this.#wanted?.start === 'policy' && this.#opened?.position === standing.position
    this.#wanted = { start: 'position', standing }
    if (already) return
    this.#clear(standing.position, standing.originLeaderEpoch)
    this.#openChannel()
  }

  /** Nothing is wanted any more; what is buffered is dropped and its credit given back. */
  letGo(): void {
    this.#channel?.close()
    this.#clear(this.#inbox.receivedNext, this.#leaderEpoch)
    this.#wanted = undefined
    this.#opened = undefined
    this.#asking = false
    this.#reopen = undefined
  }

  attach(channel: SourceChannel): void {
    this.#channel = channel
    this.#openChannel()
  }

  /** The session is gone. What was received stays valid: the next one goes on behind it. */
  detach(why: string): void {
    // While a session is up the source would have said what there is.
    if (this.#channel) this.#heardMs = this.#clock.monotonicMs()
    this.#channel = undefined
    this.#asking = false
    this.#waitingFor = why
    if (this.#wanted?.start === 'policy') this.#opened = undefined
  }

  /** Where the source said a first start begins; undefined until then. */
  get opened(): OpenedMessage | undefined {
    return this.#opened
  }

  get bufferedBytes(): number {
    return this.#inbox.bufferedBytes
  }

  get attached(): boolean {
    return this.#channel !== undefined
  }

  /** Asked for, and no answer yet. */
  get unanswered(): boolean {
    return this.#asking
  }

  /** The source has records that did not arrive. */
  get behind(): boolean {
    return this.#highWatermark > this.#inbox.receivedNext
  }

  /** Why nothing arrives; undefined while a channel is open. */
  get waitingFor(): string | undefined {
    return this.#channel && !this.#reopen ? undefined : this.#waitingFor
  }

  lag(position: number): Lag {
    const records = this.#highWatermark < 0 ? 0 : Math.max(0, this.#highWatermark - position)
    const ms = records === 0 ? 0 : this.#lagMs
    // Without a source nobody knows what was produced since: the age of what we know is the least that is said.
    const silentMs = this.waitingFor === undefined ? 0 : this.#clock.monotonicMs() - this.#heardMs
    return { records, ms: Math.max(ms, silentMs), highWatermark: this.#highWatermark }
  }

  /** Next origin offset that is not held. */
  get receivedNext(): number {
    return this.#inbox.receivedNext
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch
  }

  get empty(): boolean {
    return this.#inbox.frames.length === 0
  }

  cut(maxWireBytes: number, stopAt: (frame: FrameMessage) => boolean): Cut | undefined {
    const taken = cut(this.#inbox, maxWireBytes, stopAt)
    this.#inbox = taken.inbox
    return taken.cut
  }

  /** The next frame holds data too old for plain writes (F9). */
  oldDataNext(oldBeforeMs: number): boolean {
    const first = this.#inbox.frames[0]
    return first !== undefined && holdsOldData(first, oldBeforeMs)
  }

  finished(cutDone: Cut): void {
    this.#events.giveBack(cutDone.wireBytes)
    this.#channel?.ack(cutDone.next)
  }

  // ---- what the source says --------------------------------------------------------------------------------------

  onOpened(message: OpenedMessage): void {
    this.#reopen = undefined
    this.#asking = false
    this.#reopenWaitMs = REOPEN_FIRST_MS
    this.#highWatermark = message.highWatermark
    // Frames of a first start may come before its checkpoint is durable: they wait in the inbox.
    if (this.#wanted?.start === 'policy') this.#clear(message.position, -1)
    this.#opened = message
    this.#events.wake()
  }

  onFrame(message: FrameMessage): void {
    this.#highWatermark = message.highWatermark
    const last = message.batches.at(-1)
    if (last) this.#lagMs = Math.max(0, message.sourceTimeMs - maxTimestampOf(last))
    try {
      const accepted = accept(this.#inbox, message)
      if (accepted.kind === 'taken') {
        this.#inbox = accepted.inbox
        this.#leaderEpoch = message.leaderEpoch
      } else {
        this.#events.giveBack(wireBytes(message))
        const { origin, topic } = this.#spec
        this.#observer.dropped(origin, topic, 'duplicate', recordsIn(message.batches))
      }
    } catch (error) {
      this.#events.giveBack(wireBytes(message))
      this.#channel?.close()
      this.#reopenLater(String(error))
    }
    this.#events.wake()
  }

  onProgress(message: ProgressMessage): void {
    this.#highWatermark = message.highWatermark
    if (message.next <= this.#inbox.receivedNext) return
    const { channel, next, highWatermark, sourceTimeMs, leaderEpoch } = message
    const from = this.#inbox.receivedNext
    this.#leaderEpoch = leaderEpoch
    const { frames, bufferedBytes } = this.#inbox
    const last = frames.at(-1)
    if (!last) this.#inbox = emptyInbox(next)
    else if (last.batches.length === 0) frames[frames.length - 1] = { ...last, next, leaderEpoch }
    else {
      const coverage = { batches: [], relayed: last.relayed, gap: false }
      frames.push({ channel, from, next, highWatermark, sourceTimeMs, leaderEpoch, ...coverage })
    }
    this.#inbox = { frames: this.#inbox.frames, receivedNext: next, bufferedBytes: last ? bufferedBytes : 0 }
    this.#events.wake()
  }

  onClosed(message: ClosedMessage, standing: Standing): void {
    if (message.reason === 'requested') return
    this.#asking = false
    const halting = HALTING[message.reason]
    if (message.reason === 'gap') return this.#gap(message, standing)
    if (message.reason === 'topic-recreated') return this.#recreated(message, standing)
    if (!halting) return this.#reopenLater(`${message.reason}: ${message.message}`)
    if (message.reason === 'truncated') this.#report('truncated', message.message, message.gapFrom, message.gapTo)
    this.#events.end({ kind: 'halt', error: this.#error(halting, message) })
  }

  #gap(message: ClosedMessage, standing: Standing): void {
    // ✱ First what was received is written: a move would drop it, and the report would not name it.
    if (standing.position < this.#inbox.receivedNext) return this.#reopenLater('what was received before the gap')
    const from = message.gapFrom ?? standing.position
    const to = message.gapTo ?? from
    this.#report('gap', `${this.#spec.origin} no longer has these records: ${message.message}`, from, to)
    if (this.#policy.gap === 'halt' || to <= from)
      return this.#events.end({ kind: 'halt', error: this.#error('PARTITION_GAP', message) })
    this.#events.end({
      kind: 'move',
      to: now => ({ ...now, position: Math.max(now.position, to), gap: true, originLeaderEpoch: -1 }),
      why: `origin offsets ${from} to ${to - 1} are gone at ${this.#spec.origin}`,
    })
  }

  #recreated(message: ClosedMessage, standing: Standing): void {
    const { topicId } = message
    if (standing.position < this.#inbox.receivedNext) return this.#reopenLater('what was received of the old topic')
    this.#report('topic-recreated', message.message)
    if (this.#policy.originRecreated === 'halt' || !topicId)
      return this.#events.end({ kind: 'halt', error: this.#error('TOPIC_RECREATED', message) })
    this.#events.end({
      kind: 'move',
      to: now => ({ ...standingAt(0, topicId, now.scanFrom), targetLeaderEpoch: now.targetLeaderEpoch }),
      why: message.message,
    })
  }

  #error(code: ErrorCode, message: ClosedMessage): GatewayError {
    return new GatewayError(
      code,
      'partition',
      `${this.#spec.topic}-${this.#spec.partition} from ${this.#spec.origin}: ${message.message}`,
    )
  }

  #report(name: 'gap' | 'truncated' | 'topic-recreated', message: string, from?: number, to?: number): void {
    const { origin, topic, partition } = this.#spec
    this.#observer.event({ name, origin, topic, partition, message, from, to })
  }

  // ---- asking again ----------------------------------------------------------------------------------------------

  reopenDueInMs(): number {
    return this.#reopen ? Math.max(0, this.#reopen.atMs - this.#clock.monotonicMs()) : Number.POSITIVE_INFINITY
  }

  reopenWhenDue(): void {
    if (!this.#reopen || this.reopenDueInMs() > 0) return
    this.#reopen = undefined
    this.#openChannel()
  }

  #reopenLater(why: string): void {
    this.#waitingFor = why
    this.#reopen = { atMs: this.#clock.monotonicMs() + this.#reopenWaitMs, waitMs: this.#reopenWaitMs }
    this.#reopenWaitMs = Math.min(REOPEN_MAX_MS, this.#reopenWaitMs * 2)
    this.#events.wake()
  }

  #openChannel(): void {
    if (!this.#channel || !this.#wanted) return
    this.#asking = true
    if (this.#wanted.start === 'policy') return this.#channel.open(this.#policy.start, undefined)
    const { originTopicId } = this.#wanted.standing
    const start = { kind: 'position', offset: this.#inbox.receivedNext, leaderEpoch: this.#leaderEpoch } as const
    this.#channel.open(start, originTopicId)
  }

  #clear(receivedNext: number, leaderEpoch: number): void {
    if (this.#inbox.bufferedBytes > 0) this.#events.giveBack(this.#inbox.bufferedBytes)
    this.#inbox = emptyInbox(receivedNext)
    this.#leaderEpoch = leaderEpoch
  }
}
