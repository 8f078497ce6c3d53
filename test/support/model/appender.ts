import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { Appended, AppenderOptions, PartitionAppender, ProducerState } from '../../../src/kafka/types.ts'
import type { ReadyBatch } from '../../../src/record/ready-batch.ts'
import { stampBatch } from './batch-bytes.ts'
import type { ModelClient } from './client.ts'
import { modelFailure } from './kafka-errors.ts'
import type { Answer, ModelConnection } from './network.ts'
import type { ModelPartition } from './partition.ts'
import { producerStateOf } from './target-log.ts'

const MAX_IN_FLIGHT = 5
const REQUEST_TIMEOUT_MS = 2_000
const BACKOFF_MS = 20
/** Known state is asked for again after this (exactly-once.md 2.1). */
const KNOWN_FOR_MS = 5_000

interface Pending {
  readonly bytes: Buffer
  readonly firstSequence: number
  readonly count: number
  readonly sinceMs: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (failure: unknown) => void
  sent: boolean
}

type Phase =
  | { readonly kind: 'known'; readonly connectionGeneration: number; readonly leader: number; usedMs: number }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'proving' }
  /** An answer was an error: nothing is sent until all answers are in. */
  | { readonly kind: 'failing'; readonly first: KafkaFailure }
  | { readonly kind: 'dead'; readonly failure: KafkaFailure }

/** The contract of `PartitionAppender` (src/kafka/types.ts) against the modelled cluster: exactly-once.md 2.1. */
export class ModelAppender implements PartitionAppender {
  readonly #client: ModelClient
  readonly #options: AppenderOptions
  readonly #connection: ModelConnection
  readonly #pending: Pending[] = []
  readonly #onSettled: (() => void)[] = []
  #phase: Phase = { kind: 'unknown' }
  #answersDue = 0
  #lastKnownOffset: number
  #ackedSequence: number
  nextSequence: number

  constructor(client: ModelClient, options: AppenderOptions) {
    this.#client = client
    this.#options = options
    this.#connection = client.connect()
    this.#lastKnownOffset = options.lastKnownOffset
    this.#ackedSequence = options.firstSequence - 1
    this.nextSequence = options.firstSequence
  }

  get inFlight(): number {
    return this.#pending.length
  }

  append(batch: ReadyBatch): Promise<Appended> {
    if (this.#phase.kind === 'dead') return Promise.reject(this.#phase.failure)
    const firstSequence = this.nextSequence
    this.nextSequence += batch.recordCount
    const { identity, transactionalId } = this.#options
    const bytes = stampBatch(batch, { ...identity, firstSequence, transactional: transactionalId !== undefined })
    const sinceMs = this.#client.process.clock.monotonicMs()
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes, firstSequence, count: batch.recordCount, sinceMs, resolve, reject, sent: false })
      this.#goOn()
    })
  }

  settled(): Promise<void> {
    if (this.#answersDue === 0 && this.#pending.length === 0) return Promise.resolve()
    return new Promise(resolve => this.#onSettled.push(resolve))
  }

  close(): void {
    this.#die(new KafkaFailure('ambiguous', 'CLOSED', 'the appender was closed'))
    this.#connection.close()
  }

  #goOn(): void {
    if (this.#pending.length === 0) return
    const nowMs = this.#client.process.clock.monotonicMs()
    const known = this.#phase
    if (known.kind === 'known') {
      const stale = known.connectionGeneration !== this.#connection.generation || nowMs - known.usedMs > KNOWN_FOR_MS
      if (stale) this.#phase = { kind: 'unknown' }
    }
    if (this.#phase.kind === 'unknown') void this.#prove()
    if (this.#phase.kind !== 'known') return
    this.#phase.usedMs = nowMs
    for (const pending of this.#pending)
      if (!pending.sent && this.#answersDue < MAX_IN_FLIGHT) this.#send(pending, this.#phase.leader)
  }

  /** ✱ Known state: the log must still hold our epoch and our last ack (F13). */
  async #prove(): Promise<void> {
    this.#phase = { kind: 'proving' }
    const connectionGeneration = this.#connection.generation
    try {
      const { state, leader } = await this.#describe()
      if (this.#phase.kind !== 'proving') return
      const { identity } = this.#options
      const intact = state?.producerEpoch === identity.producerEpoch && state.lastSequence >= this.#ackedSequence
      // a transaction that has not begun here has no state to show: the coordinator verifies it (F18)
      const beginning = this.#options.transactionalId !== undefined && this.#ackedSequence < 0
      if (!intact && !beginning) {
        this.#die(new KafkaFailure('fenced', 'STATE_UNKNOWN', 'the log does not hold our producer state'))
        return
      }
      this.#phase = { kind: 'known', connectionGeneration, leader, usedMs: this.#client.process.clock.monotonicMs() }
      this.#goOn()
    } catch (failure) {
      if (this.#phase.kind === 'proving') void this.#retryOrDie(failure as KafkaFailure)
    }
  }

  #describe(): Promise<{ state: ProducerState | undefined; leader: number }> {
    const { topic, partition, identity } = this.#options
    return this.#client.ask(topic, partition, 'DescribeProducers', (at, answer) =>
      answer({ kind: 'ok', value: { state: producerStateOf(at, identity.producerId), leader: at.leader } }),
    )
  }

  #send(pending: Pending, leader: number): void {
    pending.sent = true
    this.#answersDue++
    const request = this.#connection.request<Appended>(REQUEST_TIMEOUT_MS, answer =>
      this.#serve(pending, leader, answer),
    )
    request.then(
      appended => this.#answered(() => this.#acked(pending, appended)),
      failure => this.#answered(() => this.#refused(failure as KafkaFailure)),
    )
  }

  /** At the broker. */
  #serve(pending: Pending, leader: number, answer: (given: Answer<Appended>) => void): void {
    const { cluster } = this.#client
    const { topic, partition, topicId, transactionalId } = this.#options
    const at = cluster.partition(topic, partition)
    const fail = (code: string): void =>
      answer({ kind: 'failure', failure: modelFailure(code, `Produce ${topic}-${partition}`) })
    const sameTopic = transactionalId !== undefined || cluster.topic(topic)?.topicId === topicId
    if (at === undefined || !sameTopic) {
      fail('UNKNOWN_TOPIC_OR_PARTITION')
      return
    }
    if (at.leader !== leader) {
      fail('NOT_LEADER_OR_FOLLOWER')
      return
    }
    const { coordinator } = cluster
    const outcome = at.produce(pending.bytes, facts => coordinator.isOngoing(facts.producerId, facts.producerEpoch, at))
    if (outcome.kind === 'refused') {
      fail(outcome.code)
      return
    }
    if (!outcome.repeat) cluster.appended(at)
    const appended = {
      baseOffset: outcome.baseOffset,
      leaderEpoch: outcome.leaderEpoch,
      lastSequence: pending.firstSequence + pending.count - 1,
    }
    answerWhenReplicated(at, outcome.baseOffset + pending.count, at.leaderEpoch, readable =>
      readable ? answer({ kind: 'ok', value: appended }) : fail('NOT_LEADER_OR_FOLLOWER'),
    )
  }

  #answered(react: () => void): void {
    this.#answersDue--
    react()
    if (this.#answersDue > 0) {
      this.#goOn()
      return
    }
    if (this.#phase.kind === 'failing') void this.#retryOrDie(this.#phase.first)
    else this.#goOn()
    if (this.#pending.length === 0) for (const resolve of this.#onSettled.splice(0)) resolve()
  }

  #acked(pending: Pending, appended: Appended): void {
    if (this.#phase.kind === 'dead' || this.#pending[0] !== pending) return
    this.#pending.shift()
    if (appended.baseOffset <= this.#lastKnownOffset) {
      const failure = new KafkaFailure(
        'fatal',
        'BASE_OFFSET_ALARM',
        `answered ${appended.baseOffset}, ours end at ${this.#lastKnownOffset}`,
      )
      pending.reject(failure)
      this.#die(failure)
      return
    }
    this.#lastKnownOffset = appended.baseOffset + pending.count - 1
    this.#ackedSequence = appended.lastSequence
    pending.resolve(appended)
  }

  #refused(failure: KafkaFailure): void {
    // the first is the cause, those behind it its consequence (F16)
    if (this.#phase.kind !== 'dead' && this.#phase.kind !== 'failing') this.#phase = { kind: 'failing', first: failure }
  }

  /** Definite for now, or in doubt: the same bytes again, after Known state. Everything else ends this writer. */
  async #retryOrDie(failure: KafkaFailure): Promise<void> {
    const { clock } = this.#client.process
    const oldest = this.#pending[0]
    const late = oldest !== undefined && clock.monotonicMs() - oldest.sinceMs > this.#options.deliveryTimeoutMs
    if (late || (failure.kind !== 'retriable' && failure.kind !== 'ambiguous')) {
      this.#die(late ? new KafkaFailure('ambiguous', failure.code, 'not settled in time') : failure)
      return
    }
    this.#phase = { kind: 'proving' }
    await clock.sleep(BACKOFF_MS)
    if (this.#phase.kind !== 'proving') return
    for (const pending of this.#pending) pending.sent = false
    this.#phase = { kind: 'unknown' }
    this.#goOn()
  }

  #die(failure: KafkaFailure): void {
    if (this.#phase.kind === 'dead') return
    this.#phase = { kind: 'dead', failure }
    for (const pending of this.#pending.splice(0)) pending.reject(failure)
    if (this.#answersDue === 0) for (const resolve of this.#onSettled.splice(0)) resolve()
  }
}

/** acks=all: when the high watermark has passed it; a change of leader before that answers NOT_LEADER_OR_FOLLOWER. */
function answerWhenReplicated(
  at: ModelPartition,
  endOffset: number,
  leaderEpoch: number,
  done: (readable: boolean) => void,
): void {
  if (at.leaderEpoch !== leaderEpoch || at.leader < 0) done(false)
  else if (at.highWatermark >= endOffset) done(true)
  else at.onceChanged(() => answerWhenReplicated(at, endOffset, leaderEpoch, done))
}
