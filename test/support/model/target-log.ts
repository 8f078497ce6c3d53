import type { TargetLog } from '../../../src/ingest/ports.ts'
import type {
  AppenderOptions,
  FetchedBatches,
  LogOffsets,
  PartitionAppender,
  ProducerIdentity,
  ProducerState,
  TopicPartition,
  TransactionState,
} from '../../../src/kafka/types.ts'
import { ModelAppender } from './appender.ts'
import type { ModelClient } from './client.ts'
import { modelFailure } from './kafka-errors.ts'
import type { Answer } from './network.ts'
import type { ModelPartition } from './partition.ts'
import { lastSequenceOf } from './producer-state.ts'

/** `TargetLog` of src/ingest/ports.ts, as one process has it, against the modelled cluster. */
export class ModelTargetLog implements TargetLog {
  readonly #client: ModelClient

  constructor(client: ModelClient) {
    this.#client = client
  }

  initProducerId(transactionalId: string, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    const { coordinator } = this.#client.cluster
    return this.#client.coordinate(`InitProducerId ${transactionalId}`, () =>
      coordinator.initProducerId(transactionalId, transactionTimeoutMs),
    )
  }

  async addPartitionsToTxn(
    id: string,
    identity: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const { cluster } = this.#client
    await this.#client.coordinate(`AddPartitionsToTxn ${id}`, () => {
      const found = partitions.map(({ topic, partition }) => cluster.partition(topic, partition))
      if (!found.every(one => one !== undefined)) return { kind: 'error', code: 'UNKNOWN_TOPIC_OR_PARTITION' }
      return cluster.coordinator.addPartitions(
        id,
        identity.producerId,
        identity.producerEpoch,
        found as ModelPartition[],
      )
    })
  }

  async endTxn(id: string, identity: ProducerIdentity, commit: boolean): Promise<void> {
    const { coordinator } = this.#client.cluster
    await this.#client.coordinate(`EndTxn ${id}`, () =>
      coordinator.endTxn(id, identity.producerId, identity.producerEpoch, commit),
    )
  }

  describeTransaction(id: string): Promise<TransactionState | undefined> {
    const { coordinator } = this.#client.cluster
    return this.#client.coordinate(`DescribeTransactions ${id}`, () =>
      coordinator.available
        ? { kind: 'ok', value: coordinator.describe(id) }
        : { kind: 'error', code: 'COORDINATOR_NOT_AVAILABLE' },
    )
  }

  describeProducer({ topic, partition }: TopicPartition, producerId: number): Promise<ProducerState | undefined> {
    return this.#client.ask(topic, partition, 'DescribeProducers', (at, answer) =>
      answer({ kind: 'ok', value: producerStateOf(at, producerId) }),
    )
  }

  offsets({ topic, partition }: TopicPartition): Promise<LogOffsets> {
    return this.#client.ask(topic, partition, 'ListOffsets', (at, answer) =>
      answer({
        kind: 'ok',
        value: { logStartOffset: at.logStartOffset, endOffset: at.highWatermark, leaderEpoch: at.leaderEpoch },
      }),
    )
  }

  endOffsetForEpoch(
    { topic, partition }: TopicPartition,
    leaderEpoch: number,
  ): Promise<{ leaderEpoch: number; endOffset: number }> {
    return this.#client.ask(topic, partition, 'OffsetForLeaderEpoch', (at, answer) =>
      answer({ kind: 'ok', value: at.endOffsetForEpoch(leaderEpoch) }),
    )
  }

  read(
    { topic, partition }: TopicPartition,
    fromOffset: number,
    maxBytes: number,
    maxWaitMs: number,
  ): Promise<FetchedBatches> {
    const { time } = this.#client.cluster
    return this.#client.ask<FetchedBatches>(
      topic,
      partition,
      'Fetch',
      (at, answer) => {
        let answered = false
        const serve = (wait: boolean): void => {
          if (answered) return
          const found = fetch(at, fromOffset, maxBytes)
          if (wait && found.kind === 'ok' && found.value.records.length === 0) {
            at.onceChanged(() => serve(true))
            return
          }
          answered = true
          answer(found)
        }
        time.after(maxWaitMs, () => serve(false))
        serve(true)
      },
      maxWaitMs,
    )
  }

  async topicId(topic: string): Promise<string | undefined> {
    // metadata: any broker knows it
    return this.#client.coordinate(`Metadata ${topic}`, () => ({
      kind: 'ok',
      value: this.#client.cluster.topic(topic)?.topicId,
    }))
  }

  openAppender(options: AppenderOptions): PartitionAppender {
    return new ModelAppender(this.#client, options)
  }
}

export function producerStateOf(at: ModelPartition, producerId: number): ProducerState | undefined {
  const entry = at.producers.get(producerId)
  if (entry === undefined) return undefined
  return {
    producerId,
    producerEpoch: entry.epoch,
    lastSequence: lastSequenceOf(entry),
    lastTimestampMs: entry.lastTimestampMs,
    currentTxnStartOffset: entry.txnStartOffset,
  }
}

function fetch(at: ModelPartition, fromOffset: number, maxBytes: number): Answer<FetchedBatches> {
  if (at.leader < 0) return { kind: 'failure', failure: modelFailure('NOT_LEADER_OR_FOLLOWER', 'Fetch') }
  if (fromOffset < at.logStartOffset || fromOffset > at.endOffset)
    return { kind: 'failure', failure: modelFailure('OFFSET_OUT_OF_RANGE', `Fetch at ${fromOffset}`) }
  const batches = at.read(fromOffset, maxBytes)
  return {
    kind: 'ok',
    value: {
      records: Buffer.concat(batches.map(batch => batch.bytes)),
      highWatermark: at.highWatermark,
      lastStableOffset: at.lastStableOffset,
      logStartOffset: at.logStartOffset,
      abortedTransactions: [],
      release: () => {},
    },
  }
}
