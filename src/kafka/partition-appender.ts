import { GatewayError } from '../errors.ts'
import { sequenceAfter, stampBatch } from '../record/batch.ts'
import type { ReadyBatch } from '../record/ready-batch.ts'
import type { BrokerProducer, OutgoingBatch, ProducingPartition } from './broker-producer.ts'
import { MAX_IN_FLIGHT_REQUESTS } from './broker-producer.ts'
import type { KafkaCluster } from './cluster.ts'
import type { BrokerConnection } from './connection.ts'
import { KafkaFailure } from './failure.ts'
import { contradiction } from './known-state.ts'
import type { LogQueries } from './log-queries.ts'
import type { Appended, AppenderOptions, PartitionAppender } from './types.ts'

/** Appends that may wait for their answers, sent or not; the owner coalesces long before. */
const MAX_UNACKED_BATCHES = 32
/** After this long without an answer the log may have forgotten us (exactly-once.md 2.1). */
const IDLE_MS = 5_000
const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 500

interface Batch extends OutgoingBatch {
  readonly baseSequence: number
  readonly deadlineMs: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (failure: KafkaFailure) => void
}

/**
 * - `running`: batches go out as they come, as long as the state at the leader is known
 * - `verifying`: nothing goes out; what the leader knows of us is being asked
 * - `draining`: something was refused or lost; the other answers are awaited first, then it is decided
 * - `pausing`: a short wait before the next attempt
 * - `dead`: rejected, or closed
 */
type State =
  | { readonly kind: 'running' }
  | { readonly kind: 'verifying' }
  | { readonly kind: 'draining'; readonly trouble: KafkaFailure; readonly at: Batch }
  | { readonly kind: 'pausing'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'dead'; readonly failure: KafkaFailure }

/** Where the state was found to be right; a change of any of it asks again. */
interface Verified {
  readonly producer: BrokerProducer
  readonly connection: BrokerConnection
  readonly leaderEpoch: number
}

export interface AppenderContext {
  readonly cluster: KafkaCluster
  readonly queries: LogQueries
  producerFor(nodeId: number): BrokerProducer
  gone(appender: BrokerAppender): void
}

/** exactly-once.md 2.1 for one partition. See PartitionAppender for what it promises. */
export class BrokerAppender implements PartitionAppender, ProducingPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly transactionalId: string | undefined
  private readonly options: AppenderOptions
  private readonly context: AppenderContext
  private state: State = { kind: 'running' }
  private verified: Verified | undefined
  /** Accepted and not (or not any more) on the wire, in order of sequence, all behind what is in `sent`. */
  private unsent: Batch[] = []
  /** On the wire, in order. */
  private sent: Batch[] = []
  /** On the wire when trouble came, answered or not; goes back in front of `unsent`. */
  private returned: Batch[] = []
  private following: number
  private lastAckedSequence: number
  private lastSentSequence: number
  private lastKnownOffset: number
  private lastActivityMs = Number.NEGATIVE_INFINITY
  private pauseMs = FIRST_PAUSE_MS
  private lastTrouble: KafkaFailure | undefined
  private settledWaiters: (() => void)[] = []

  constructor(options: AppenderOptions, context: AppenderContext) {
    this.topic = options.topic
    this.topicId = options.topicId
    this.partition = options.partition
    this.transactionalId = options.transactionalId
    this.options = options
    this.context = context
    this.following = options.firstSequence
    this.lastAckedSequence = options.firstSequence - 1
    this.lastSentSequence = options.firstSequence - 1
    this.lastKnownOffset = options.lastKnownOffset
  }

  get inFlight(): number {
    return this.sent.length + this.returned.length + this.unsent.length
  }

  get nextSequence(): number {
    return this.following
  }

  append(ready: ReadyBatch): Promise<Appended> {
    if (this.state.kind === 'dead') return Promise.reject(this.state.failure)
    if (this.inFlight >= MAX_UNACKED_BATCHES) {
      const message = `more than ${MAX_UNACKED_BATCHES} appends wait for ${this.topic}-${this.partition}`
      return Promise.reject(new GatewayError('INTERNAL', 'partition', message))
    }
    const baseSequence = this.following
    this.following = sequenceAfter(baseSequence, ready.recordCount)
    stampBatch(ready, this.options.identity, baseSequence, this.transactionalId !== undefined)
    const deadlineMs = performance.now() + this.options.deliveryTimeoutMs
    return new Promise((resolve, reject) => {
      this.unsent.push({ ready, baseSequence, deadlineMs, resolve, reject })
      this.proceed()
    })
  }

  settled(): Promise<void> {
    if (this.sent.length === 0) return Promise.resolve()
    return new Promise(resolve => this.settledWaiters.push(resolve))
  }

  close(): void {
    this.die(
      new KafkaFailure('ambiguous', 'APPENDER_CLOSED', `the appender of ${this.topic}-${this.partition} was closed`),
    )
  }

  /** Once a second. */
  checkDeadline(nowMs: number): void {
    const head = this.returned[0] ?? this.sent[0] ?? this.unsent[0]
    if (head === undefined || nowMs < head.deadlineMs) return
    const last = this.lastTrouble === undefined ? '' : `; last: ${this.lastTrouble.message}`
    const message = `${this.topic}-${this.partition}: no outcome in ${this.options.deliveryTimeoutMs} ms${last}`
    this.die(new KafkaFailure('ambiguous', 'DELIVERY_TIMED_OUT', message, { cause: this.lastTrouble }))
  }

  /** The process stood still: whoever took over meanwhile must not be disturbed, whatever else is known. */
  paused(gapMs: number): void {
    this.die(new KafkaFailure('ambiguous', 'PROCESS_PAUSED', `this process stood still for ${Math.round(gapMs)} ms`))
  }

  // ---- as the producer of the leader sees it -------------------------------------------------------------------

  take(connection: BrokerConnection): Batch | undefined {
    if (this.state.kind !== 'running' || this.verified?.connection !== connection) {
      this.reconsider()
      return undefined
    }
    const batch = this.unsent[0]
    if (batch === undefined || this.sent.length >= MAX_IN_FLIGHT_REQUESTS) return undefined
    this.unsent.shift()
    this.sent.push(batch)
    this.lastSentSequence = furthest(this.lastAckedSequence, this.lastSentSequence, lastSequenceOf(batch))
    this.lastActivityMs = performance.now()
    return batch
  }

  hasMore(): boolean {
    if (this.state.kind !== 'running' || this.unsent.length === 0) return false
    if (!this.isVerified()) {
      this.reconsider()
      return false
    }
    return this.sent.length < MAX_IN_FLIGHT_REQUESTS
  }

  reconsider(): void {
    queueMicrotask(() => this.proceed())
  }

  answered(batch: OutgoingBatch, baseOffset: number): void {
    if (!this.landed(batch)) return
    const done = batch as Batch
    if (this.state.kind === 'draining') {
      this.answeredBehindTrouble(done, this.state)
    } else if (baseOffset <= this.lastKnownOffset) {
      const message = `${this.topic}-${this.partition} answered base offset ${baseOffset}; offset ${this.lastKnownOffset} was ours before`
      this.returned.push(done)
      this.die(new KafkaFailure('fatal', 'BASE_OFFSET_ALARM', message))
    } else if (this.state.kind !== 'dead') {
      this.acknowledge(done, baseOffset)
    }
    this.afterAnswer()
  }

  failed(batch: OutgoingBatch, failure: KafkaFailure): void {
    if (!this.landed(batch)) return
    const lost = batch as Batch
    if (this.state.kind !== 'dead') {
      this.returned.push(lost)
      if (failure.code === 'PROCESS_PAUSED') this.die(failure)
      else if (this.state.kind !== 'draining' || outranks(failure, this.state.trouble)) {
        this.state = { kind: 'draining', trouble: failure, at: lost }
      }
    }
    this.afterAnswer()
  }

  private landed(batch: OutgoingBatch): boolean {
    const index = this.sent.indexOf(batch as Batch)
    if (index >= 0) this.sent.splice(index, 1)
    return index >= 0
  }

  private acknowledge(batch: Batch, baseOffset: number): void {
    const lastSequence = lastSequenceOf(batch)
    this.lastAckedSequence = lastSequence
    this.lastKnownOffset = baseOffset + batch.ready.recordCount - 1
    this.lastActivityMs = performance.now()
    this.pauseMs = FIRST_PAUSE_MS
    batch.resolve({ baseOffset, leaderEpoch: this.verified?.leaderEpoch ?? -1, lastSequence })
  }

  /** A batch went in although one before it did not: right only if the fate of that one is unknown. Then both are sent again; the broker tells repeats. */
  private answeredBehindTrouble(batch: Batch, state: State & { kind: 'draining' }): void {
    this.returned.push(batch)
    if (state.trouble.kind === 'ambiguous') return
    const message = `${this.topic}-${this.partition} took sequence ${batch.baseSequence} after it had refused ${state.at.baseSequence}`
    this.die(new KafkaFailure('fatal', 'BASE_OFFSET_ALARM', message, { cause: state.trouble }))
  }

  private afterAnswer(): void {
    if (this.sent.length === 0) {
      for (const resolve of this.settledWaiters.splice(0)) resolve()
      if (this.state.kind === 'draining') this.decide(this.state.trouble)
    }
    this.proceed()
  }

  // ---- what happens next ---------------------------------------------------------------------------------------

  /** Every answer is in: give up, or go back to the first that is not acknowledged. */
  private decide(trouble: KafkaFailure): void {
    if (isFinal(trouble)) {
      this.die(trouble)
      return
    }
    this.unsent = [...this.returned, ...this.unsent]
    this.returned = []
    this.verified = undefined
    this.pause(trouble)
  }

  private pause(trouble: KafkaFailure): void {
    if (this.state.kind === 'dead') return
    this.lastTrouble = trouble
    const timer = setTimeout(() => void this.resume(trouble.refresh), this.pauseMs)
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS)
    this.state = { kind: 'pausing', timer }
  }

  private async resume(refresh: boolean): Promise<void> {
    // What keeps the refresh from succeeding shows again when the leader is asked.
    if (refresh) await this.context.cluster.metadata.refresh(this.topic).catch(() => undefined)
    if (this.state.kind !== 'pausing') return
    this.state = { kind: 'running' }
    this.proceed()
  }

  /** Sends, or finds out first whether it may. */
  private proceed(): void {
    if (this.state.kind !== 'running' || this.unsent.length === 0) return
    if (this.isVerified()) {
      if (this.sent.length < MAX_IN_FLIGHT_REQUESTS) this.verified!.producer.offer(this)
    } else if (this.sent.length === 0) {
      this.state = { kind: 'verifying' }
      void this.verify()
    }
  }

  private isVerified(): boolean {
    const { verified } = this
    if (!verified?.connection.usable) return false
    if (this.sent.length === 0 && performance.now() - this.lastActivityMs > IDLE_MS) return false
    const known = this.context.cluster.metadata.partition(this.topic, this.partition)
    return (
      known?.leaderEpoch === verified.leaderEpoch &&
      this.context.cluster.metadata.peek(this.topic)?.topicId === this.topicId
    )
  }

  private async verify(): Promise<void> {
    try {
      const verified = await this.askState()
      if (this.state.kind !== 'verifying') return
      this.verified = verified
      this.lastActivityMs = performance.now()
      this.state = { kind: 'running' }
      this.proceed()
    } catch (error) {
      if (this.state.kind !== 'verifying') return
      const failure =
        error instanceof KafkaFailure
          ? error
          : new KafkaFailure('fatal', 'STATE_UNKNOWN', String(error), { cause: error })
      if (isFinal(failure)) this.die(failure)
      else this.pause(failure)
    }
  }

  private async askState(): Promise<Verified> {
    const { cluster, queries } = this.context
    const leader = await cluster.leaderOf(this.topic, this.partition)
    const topicId = cluster.metadata.peek(this.topic)?.topicId
    if (topicId !== this.topicId) {
      const message = `${this.topic} has the id ${topicId} now, ${this.topicId} was opened`
      throw new KafkaFailure('fenced', 'TOPIC_RECREATED', message, { refresh: true })
    }
    const producer = this.context.producerFor(leader.leader)
    const connection = await producer.connection()
    const state = await queries.producer(this, this.options.identity.producerId)
    const wrong = contradiction(state, {
      identity: this.options.identity,
      lastAckedSequence: this.lastAckedSequence,
      lastSentSequence: this.lastSentSequence,
      newEpoch: this.transactionalId !== undefined && this.lastSentSequence < 0,
    })
    if (wrong !== undefined)
      throw new KafkaFailure('fenced', 'STATE_UNKNOWN', `${this.topic}-${this.partition}: ${wrong}`)
    const after = await cluster.leaderOf(this.topic, this.partition)
    if (after.leaderEpoch !== leader.leaderEpoch) {
      throw new KafkaFailure(
        'retriable',
        'NOT_LEADER_OR_FOLLOWER',
        `the leader of ${this.topic}-${this.partition} moved`,
      )
    }
    return { producer, connection, leaderEpoch: leader.leaderEpoch }
  }

  private die(failure: KafkaFailure): void {
    if (this.state.kind === 'dead') return
    if (this.state.kind === 'pausing') clearTimeout(this.state.timer)
    this.state = { kind: 'dead', failure }
    this.verified?.producer.withdraw(this)
    const rejected = [...this.returned, ...this.sent, ...this.unsent]
    this.returned = []
    this.unsent = []
    // `sent` stays until its answers are in: that is what `settled` waits for.
    for (const batch of rejected) batch.reject(failure)
    this.context.gone(this)
  }
}

function lastSequenceOf(batch: Batch): number {
  return sequenceAfter(batch.baseSequence, batch.ready.recordCount - 1)
}

/** Sequences wrap: the one of two that is further ahead of `from`. */
function furthest(from: number, a: number, b: number): number {
  const ahead = (sequence: number) => (sequence - from + 2 ** 31) % 2 ** 31
  return ahead(a) >= ahead(b) ? a : b
}

/** OUT_OF_ORDER behind a refusal is its consequence (F16); anything final behind it is news. */
function outranks(failure: KafkaFailure, trouble: KafkaFailure): boolean {
  if (failure.code === 'OUT_OF_ORDER_SEQUENCE_NUMBER') return false
  return isFinal(failure) && !isFinal(trouble)
}

/** Nothing that the appender could repeat. */
function isFinal(failure: KafkaFailure): boolean {
  return failure.kind !== 'retriable' && failure.kind !== 'ambiguous'
}
