import { KafkaFailure } from '../../src/kafka/failure.ts'
import type { ClusterTargetLog } from '../../src/kafka/target-log.ts'
import type { PartitionAppender, ProducerIdentity, TopicPartition } from '../../src/kafka/types.ts'
import { buildBatch } from '../../src/record/build-batch.ts'
import { type PlannedBatch, planBatch } from './ledger-plan.ts'
import type { SeededRandom } from './ledger-random.ts'
import { eventually } from './processes.ts'

/** What a producer knows of what it wrote: nothing but acknowledged ids binds the judge. */
export interface AckLog {
  acked(partition: TopicPartition, ids: readonly string[]): void
}

export interface ProducerOptions {
  readonly dc: string
  /** Unique in its data center and over the life of its cluster. */
  readonly name: string
  readonly partitions: readonly TopicPartition[]
  readonly recordsPerSecond: number
  /** Share of transactions that are aborted; undefined: writes plain idempotent batches. */
  readonly abortShare?: number
  readonly random: SeededRandom
  readonly acks: AckLog
  /** Age of the timestamps written, default 0. */
  readonly ageMs?: number
}

const DELIVERY_TIMEOUT_MS = 20_000
const TRANSACTION_TIMEOUT_MS = 60_000
/** Appends outstanding per partition before the producer waits. */
const MAX_IN_FLIGHT = 5
const READY_DEADLINE_MS = 60_000
const MAX_BATCHES_IN_TRANSACTION = 12
const MAX_ARREARS_MS = 500
const PACE_SLICE_MS = 50

/**
 * Writes planned batches until told to stop. What a failure leaves in doubt is never written again: a new run takes new
 * sequences, and whether the doubtful ones exist is read from the log by the judge.
 */
export class LedgerProducer {
  private readonly options: ProducerOptions
  private readonly log: ClusterTargetLog
  private sequence = 0
  private stopping = false
  private running: Promise<void> = Promise.resolve()
  written = 0
  /** Runs that ended in a failure: broker kills and the like. */
  failures = 0
  lastFailure: unknown

  constructor(log: ClusterTargetLog, options: ProducerOptions) {
    this.log = log
    this.options = options
  }

  start(): void {
    this.stopping = false
    this.running = this.loop()
  }

  /** Resolves when everything written is acknowledged, refused or given up. */
  async stop(): Promise<void> {
    this.stopping = true
    await this.running
    // A transaction left open by a failure would hold readers up until it times out: the next epoch aborts it.
    if (this.options.abortShare !== undefined && this.failures > 0) {
      await eventually('open transactions are aborted', READY_DEADLINE_MS, () =>
        this.log.initProducerId(this.transactionalId, TRANSACTION_TIMEOUT_MS),
      )
    }
  }

  private async loop(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.run()
      } catch (error) {
        if (!(error instanceof KafkaFailure) && !(error instanceof Error)) throw error
        this.failures++
        this.lastFailure = error
        await pause(200)
      }
    }
  }

  private get transactionalId(): string {
    return `ledger.${this.options.dc}.${this.options.name}`
  }

  /** One writer run: an epoch of its own, fenced, until a failure or the stop. */
  private async run(): Promise<void> {
    const { log, options } = this
    const { transactionalId } = this
    const identity = await log.initProducerId(transactionalId, TRANSACTION_TIMEOUT_MS)
    await fence(log, transactionalId, identity, options.partitions)
    const appenders = new Map<TopicPartition, PartitionAppender>()
    const inTransactions = options.abortShare === undefined ? undefined : transactionalId
    for (const at of options.partitions) appenders.set(at, await openAppender(log, at, identity, inTransactions))
    try {
      if (options.abortShare === undefined) await this.writePlain(appenders)
      else await this.writeTransactions(appenders, identity, options.abortShare)
    } finally {
      for (const appender of appenders.values()) appender.close()
    }
  }

  private nextBatch(): PlannedBatch {
    const { dc, name, random, ageMs = 0 } = this.options
    const author = { dc, producer: name, sequence: this.sequence, nowMs: Date.now() - ageMs }
    const planned = planBatch(random, author)
    this.sequence += planned.records.length
    return planned
  }

  private async writePlain(appenders: ReadonlyMap<TopicPartition, PartitionAppender>): Promise<void> {
    const { acks, random, partitions } = this.options
    const outstanding = new Set<Promise<void>>()
    let failure: unknown
    const pace = pacer(this.options.recordsPerSecond, () => this.stopping)
    while (!this.stopping && failure === undefined) {
      const at = random.pick(partitions)
      const planned = this.nextBatch()
      const appended = appenders
        .get(at)!
        .append(buildBatch(planned.records, planned.codec))
        .then(
          () => {
            this.written += planned.ids.length
            acks.acked(at, planned.ids)
          },
          error => {
            failure ??= error
          },
        )
        .finally(() => outstanding.delete(appended))
      outstanding.add(appended)
      await pace(planned.records.length)
      if (outstanding.size >= MAX_IN_FLIGHT * partitions.length) await Promise.race(outstanding)
    }
    await Promise.all(outstanding)
    if (failure !== undefined) throw failure
  }

  private async writeTransactions(
    appenders: ReadonlyMap<TopicPartition, PartitionAppender>,
    identity: ProducerIdentity,
    abortShare: number,
  ): Promise<void> {
    const { acks, random, partitions } = this.options
    const pace = pacer(this.options.recordsPerSecond, () => this.stopping)
    while (!this.stopping) {
      const commit = !random.chance(abortShare)
      await this.log.addPartitionsToTxn(this.transactionalId, identity, partitions)
      const written: [TopicPartition, readonly string[]][] = []
      const batches = random.between(1, MAX_BATCHES_IN_TRANSACTION)
      for (let count = 0; count < batches; count++) {
        const at = random.pick(partitions)
        const planned = this.nextBatch()
        await appenders.get(at)!.append(buildBatch(planned.records, planned.codec))
        written.push([at, planned.ids])
        await pace(planned.records.length)
      }
      await this.log.endTxn(this.transactionalId, identity, commit)
      if (!commit) continue
      for (const [at, ids] of written) {
        this.written += ids.length
        acks.acked(at, ids)
      }
    }
  }
}

/** A writer of plain idempotent batches into one partition, for whoever decides himself what is written. */
export async function openLedgerWriter(
  log: ClusterTargetLog,
  writerId: string,
  at: TopicPartition,
): Promise<PartitionAppender> {
  const identity = await log.initProducerId(writerId, TRANSACTION_TIMEOUT_MS)
  await fence(log, writerId, identity, [at])
  return await openAppender(log, at, identity, undefined)
}

/** The partitions must know this epoch before plain batches rely on it. */
async function fence(
  log: ClusterTargetLog,
  transactionalId: string,
  identity: ProducerIdentity,
  partitions: readonly TopicPartition[],
): Promise<void> {
  await log.addPartitionsToTxn(transactionalId, identity, partitions)
  await log.endTxn(transactionalId, identity, false)
  for (const at of partitions) {
    await eventually(`${transactionalId} fenced in ${at.topic}-${at.partition}`, READY_DEADLINE_MS, async () => {
      const state = await log.describeProducer(at, identity.producerId)
      return state?.producerEpoch === identity.producerEpoch
    })
  }
}

async function openAppender(
  log: ClusterTargetLog,
  at: TopicPartition,
  identity: ProducerIdentity,
  transactionalId: string | undefined,
): Promise<PartitionAppender> {
  const topicId = await log.topicId(at.topic)
  if (topicId === undefined) throw new Error(`topic ${at.topic} is gone`)
  const run = { firstSequence: 0, lastKnownOffset: -1, deliveryTimeoutMs: DELIVERY_TIMEOUT_MS }
  return log.openAppender({ ...at, topicId, identity, ...run, ...(transactionalId && { transactionalId }) })
}

/**
 * Waits after each batch so that `recordsPerSecond` is kept on average; time lost to a fault is not made up for. A batch
 * of 10,000 is a long wait: the stop ends it.
 */
function pacer(recordsPerSecond: number, stopping: () => boolean): (records: number) => Promise<void> {
  let freeAtMs = performance.now()
  return async records => {
    freeAtMs = Math.max(freeAtMs, performance.now() - MAX_ARREARS_MS) + (records * 1_000) / recordsPerSecond
    while (!stopping() && performance.now() < freeAtMs) {
      await pause(Math.min(freeAtMs - performance.now(), PACE_SLICE_MS))
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
