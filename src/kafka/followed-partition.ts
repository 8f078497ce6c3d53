import { GatewayError } from '../errors.ts'
import { MAGIC_AT } from '../record/batch.ts'
import type { BrokerFetcher, FetchablePartition } from './broker-fetcher.ts'
import type { KafkaCluster } from './cluster.ts'
import { KafkaFailure } from './failure.ts'
import { type FetchedPartition, type FetchPartition, NO_TOPIC_ID } from './fetch-codec.ts'
import { wholeBatches } from './log-fetch.ts'
import type { LogQueries } from './log-queries.ts'
import type { ReaderEvents, ReaderFailure, ReaderHandle, ReaderPartition } from './log-reader-types.ts'
import type { LeasedBuffer } from './response-buffers.ts'

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 1_000
/** A topic that the cluster does not know may be known to it in a moment: metadata spreads over brokers. */
const MISSING_GRACE_MS = 10_000
/** A broker that finds its own log broken may be mended by another leader; after so many tries it is said. */
const MAX_CORRUPT_ANSWERS = 3

/**
 * - `seeking`: its leader is being looked up, at once or after a pause
 * - `wanted`: offered to the fetcher of its leader, in a fetch or before one
 * - `delivered`: the listener has batches; nothing happens until `next`
 * - `paused`, `gone`: nothing happens
 */
type State =
  | { readonly kind: 'seeking'; readonly timer: NodeJS.Timeout | undefined }
  | { readonly kind: 'wanted'; readonly fetcher: BrokerFetcher }
  | { readonly kind: 'delivered' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'gone' }

export interface ReaderContext {
  readonly cluster: KafkaCluster
  readonly queries: LogQueries
  fetcherFor(nodeId: number): BrokerFetcher
  countRetry(code: string): void
  gone(partition: FollowedPartition): void
}

/** One partition of a log reader: finds its leader again and again, and tells its listener what happened. */
export class FollowedPartition implements FetchablePartition, ReaderHandle {
  readonly topic: string
  readonly partition: number
  private readonly topicId: string
  private readonly events: ReaderEvents
  private readonly context: ReaderContext
  private state: State = { kind: 'paused' }
  private offset: number
  private lastFetchedEpoch: number
  /** The fetch whose answer counts; an answer to any other is dropped. */
  private current: FetchPartition | undefined
  private currentLeaderEpoch = -1
  private pauseMs = FIRST_PAUSE_MS
  private corruptAnswers = 0
  private missingSinceMs: number | undefined
  private highWatermark = -1
  private lastStableOffset = -1
  private logStartOffset = -1

  constructor(partition: ReaderPartition, events: ReaderEvents, context: ReaderContext) {
    this.topic = partition.topic
    this.topicId = partition.topicId
    this.partition = partition.partition
    this.offset = partition.offset
    this.lastFetchedEpoch = partition.lastFetchedEpoch
    this.events = events
    this.context = context
  }

  // ---- the listener's side -------------------------------------------------------------------------------------

  next(offset: number, lastFetchedEpoch: number): void {
    if (this.state.kind === 'gone') return
    this.leaveFetcher()
    this.offset = offset
    this.lastFetchedEpoch = lastFetchedEpoch
    this.want()
  }

  pause(): void {
    if (this.state.kind === 'gone') return
    this.leaveFetcher()
    this.state = { kind: 'paused' }
  }

  remove(): void {
    if (this.state.kind === 'gone') return
    this.leaveFetcher()
    this.state = { kind: 'gone' }
    this.context.gone(this)
  }

  private leaveFetcher(): void {
    this.current = undefined
    if (this.state.kind === 'wanted') this.state.fetcher.withdraw(this)
    if (this.state.kind === 'seeking') clearTimeout(this.state.timer)
  }

  // ---- the fetcher's side --------------------------------------------------------------------------------------

  fetch(): FetchPartition | undefined {
    if (this.state.kind !== 'wanted') return undefined
    const { topic, topicId, partition, offset, lastFetchedEpoch, currentLeaderEpoch } = this
    this.current = { topic, topicId, partition, offset, lastFetchedEpoch, currentLeaderEpoch }
    return this.current
  }

  fetched(asked: FetchPartition, answer: FetchedPartition, lease: LeasedBuffer): void {
    if (this.current !== asked || this.state.kind !== 'wanted') return
    this.current = undefined
    this.pauseMs = FIRST_PAUSE_MS
    this.missingSinceMs = undefined
    if (answer.divergingEpoch !== undefined) {
      this.fail({ kind: 'diverged', ...answer.divergingEpoch })
      return
    }
    const records = this.whole(answer.records)
    if (records === undefined) return
    this.corruptAnswers = 0
    if (records.length === 0) this.nothing(answer, this.state.fetcher)
    else this.deliver(answer, records, lease)
  }

  fetchFailed(asked: FetchPartition, failure: KafkaFailure): void {
    if (this.current !== asked || this.state.kind !== 'wanted') return
    this.current = undefined
    if (failure.code === 'OFFSET_OUT_OF_RANGE') void this.outOfRange(failure)
    else if (failure.code === 'CORRUPT_MESSAGE' && ++this.corruptAnswers >= MAX_CORRUPT_ANSWERS) {
      this.fail({ kind: 'corrupt', offset: this.offset, message: failure.message })
    } else this.trouble(failure)
  }

  /** undefined: the listener was told that they are none. */
  private whole(records: Buffer): Buffer | undefined {
    try {
      return wholeBatches(records)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const { offset } = this
      if (error.code === 'BATCH_OLD_FORMAT') this.fail({ kind: 'old-format', offset, magic: records[MAGIC_AT] ?? -1 })
      else this.fail({ kind: 'corrupt', offset, message: error.message })
      return undefined
    }
  }

  private nothing(answer: FetchedPartition, fetcher: BrokerFetcher): void {
    const moved =
      answer.highWatermark !== this.highWatermark ||
      answer.lastStableOffset !== this.lastStableOffset ||
      answer.logStartOffset !== this.logStartOffset
    this.remember(answer)
    // Before the listener hears of it: it may pause or remove the partition.
    fetcher.offer(this, this.offset < answer.lastStableOffset ? 'hungry' : 'idle')
    if (moved) this.events.watermark?.(answer.highWatermark, answer.lastStableOffset, answer.logStartOffset)
  }

  private deliver(answer: FetchedPartition, records: Buffer, lease: LeasedBuffer): void {
    this.remember(answer)
    this.state = { kind: 'delivered' }
    lease.retain()
    let held = true
    const { highWatermark, lastStableOffset, logStartOffset, abortedTransactions } = answer
    const release = () => {
      if (!held)
        throw new GatewayError(
          'INTERNAL',
          'process',
          `a response of ${this.topic}-${this.partition} was released twice`,
        )
      held = false
      lease.release()
    }
    const fetched = { records, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, release }
    this.events.batches(fetched, this.offset)
  }

  private remember(answer: FetchedPartition): void {
    this.highWatermark = answer.highWatermark
    this.lastStableOffset = answer.lastStableOffset
    this.logStartOffset = answer.logStartOffset
  }

  // ---- finding the leader, and trouble -------------------------------------------------------------------------

  /** Goes on at the leader as it is known, without asking where that can be avoided. */
  want(): void {
    const { cluster } = this.context
    const known = cluster.metadata.partition(this.topic, this.partition)
    if (known === undefined || known.leader < 0 || !this.isSameTopic(cluster.metadata.peek(this.topic)?.topicId)) {
      void this.seek()
      return
    }
    this.currentLeaderEpoch = known.leaderEpoch
    const fetcher = this.context.fetcherFor(known.leader)
    this.state = { kind: 'wanted', fetcher }
    fetcher.offer(this, 'ready')
  }

  private async seek(): Promise<void> {
    const seeking: State = { kind: 'seeking', timer: undefined }
    this.state = seeking
    const outcome = await this.lookUp()
    if (this.state !== seeking) return
    if (outcome === 'found') this.want()
    else if (outcome instanceof KafkaFailure) this.trouble(outcome)
    else this.fail(outcome)
  }

  private async lookUp(): Promise<'found' | KafkaFailure | ReaderFailure> {
    try {
      const topic = await this.context.cluster.metadata.refresh(this.topic)
      if (topic === undefined) return this.missing()
      this.missingSinceMs = undefined
      if (!this.isSameTopic(topic.topicId)) return { kind: 'topic-recreated', topicId: topic.topicId }
      const leader = topic.partitions[this.partition]?.leader ?? -1
      return leader >= 0
        ? 'found'
        : new KafkaFailure('retriable', 'LEADER_NOT_AVAILABLE', `${this.topic}-${this.partition}`)
    } catch (error) {
      return error instanceof KafkaFailure
        ? error
        : new KafkaFailure('retriable', 'METADATA_FAILED', String(error), { cause: error })
    }
  }

  private missing(): KafkaFailure | ReaderFailure {
    this.missingSinceMs ??= performance.now()
    if (performance.now() - this.missingSinceMs > MISSING_GRACE_MS) return { kind: 'topic-missing' }
    return new KafkaFailure('retriable', 'UNKNOWN_TOPIC_OR_PARTITION', `${this.topic} is not there`, { refresh: true })
  }

  private isSameTopic(topicId: string | undefined): boolean {
    return topicId === this.topicId || this.topicId === NO_TOPIC_ID
  }

  private trouble(failure: KafkaFailure): void {
    if (failure.kind === 'denied') {
      this.fail({ kind: 'denied', message: failure.message })
      return
    }
    this.context.countRetry(failure.code)
    const timer = setTimeout(() => {
      if (failure.refresh) void this.seek()
      else this.want()
    }, this.pauseMs)
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS)
    this.state = { kind: 'seeking', timer }
  }

  /** A leader that just took over may not know all of its log yet; what counts is the log as it says when asked. */
  private async outOfRange(failure: KafkaFailure): Promise<void> {
    const seeking: State = { kind: 'seeking', timer: undefined }
    this.state = seeking
    try {
      const { logStartOffset, endOffset } = await this.context.queries.logOffsets(this)
      if (this.state !== seeking) return
      const { offset, lastFetchedEpoch } = this
      if (offset < logStartOffset || offset > endOffset) {
        this.fail({ kind: 'out-of-range', offset, logStartOffset, endOffset })
        return
      }
      // A broker says the same when it does not know the epoch of our last record at all.
      const end =
        lastFetchedEpoch < 0 ? undefined : await this.context.queries.endOffsetForEpoch(this, lastFetchedEpoch)
      if (this.state !== seeking) return
      if (end !== undefined && end.leaderEpoch < 0) this.fail({ kind: 'diverged', epoch: -1, endOffset })
      else this.trouble(failure)
    } catch (error) {
      if (this.state === seeking) this.trouble(error instanceof KafkaFailure ? error : failure)
    }
  }

  private fail(failure: ReaderFailure): void {
    this.remove()
    this.events.failed(failure)
  }
}
