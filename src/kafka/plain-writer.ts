import { initProducerIdV4 } from '@platformatic/kafka'
import { sequenceAfter, stampBatch } from '../record/batch.ts'
import { buildBatch, type NewRecord } from '../record/build-batch.ts'
import type { ReadyBatch } from '../record/ready-batch.ts'
import { call } from './call.ts'
import type { KafkaCluster } from './cluster.ts'
import { failureFor } from './error-table.ts'
import { KafkaFailure } from './failure.ts'
import {
  ANSWER_SLACK_MS,
  encodeProduce,
  PRODUCE_KEY,
  PRODUCE_TIMEOUT_MS,
  type ProduceResponse,
  parseProduce,
  produceVersion,
} from './produce-codec.ts'
import { retry } from './retry.ts'
import type { Appended, ProducerIdentity, TopicPartition } from './types.ts'
import { WireReader } from './wire.ts'

/** How long one batch is repeated until its outcome is definite. */
const WITHIN_MS = 30_000
const MAX_WAITING_RECORDS = 100_000
const MAX_RECORDS_PER_BATCH = 2_000
const MAX_BYTES_PER_BATCH = 256 * 1024
/** A log that forgot our producer gets a new one; a log that forgets it again and again is not repeated at. */
const MAX_IDENTITIES = 3
const NO_TRANSACTION_TIMEOUT_MS = 0

interface Waiting {
  readonly record: NewRecord
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/**
 * Single records into single partitions with acks=all: checkpoints, registry entries, control. Idempotent, one batch in
 * flight per partition, so that an older value never lands behind a newer one; records that wait together share a batch.
 * Rejects with KafkaFailure when the outcome is not definite in 30 s.
 */
export class PlainWriter {
  private readonly cluster: KafkaCluster
  private readonly partitions = new Map<string, PlainPartition>()

  constructor(cluster: KafkaCluster) {
    this.cluster = cluster
  }

  produceOne(partition: TopicPartition, record: NewRecord): Promise<Appended> {
    const key = `${partition.topic}/${partition.partition}`
    return this.partitions.getOrInsertComputed(key, () => new PlainPartition(this.cluster, partition)).append(record)
  }
}

class PlainPartition {
  private readonly cluster: KafkaCluster
  private readonly partition: TopicPartition
  private waiting: Waiting[] = []
  private writing = false
  private identity: ProducerIdentity | undefined
  private nextSequence = 0

  constructor(cluster: KafkaCluster, partition: TopicPartition) {
    this.cluster = cluster
    this.partition = partition
  }

  append(record: NewRecord): Promise<Appended> {
    if (this.waiting.length >= MAX_WAITING_RECORDS) {
      const message = `${MAX_WAITING_RECORDS} records wait for ${this.name()}`
      return Promise.reject(new KafkaFailure('retriable', 'QUEUE_FULL', message))
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ record, resolve, reject })
      if (!this.writing) void this.write()
    })
  }

  private async write(): Promise<void> {
    this.writing = true
    // What comes in the same turn shares the first batch.
    await Promise.resolve()
    while (this.waiting.length > 0) {
      const taken = this.take()
      try {
        const { baseOffset, leaderEpoch, baseSequence } = await this.appendBatch(
          buildBatch(taken.map(one => one.record)),
        )
        for (const [index, { resolve }] of taken.entries()) {
          resolve({ baseOffset: baseOffset + index, leaderEpoch, lastSequence: sequenceAfter(baseSequence, index) })
        }
      } catch (error) {
        // Its fate may be unknown: what follows must not continue its sequence.
        this.identity = undefined
        for (const { reject } of taken) reject(error)
      }
    }
    this.writing = false
  }

  private take(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { record } of this.waiting) {
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      if (count > 0 && (count >= MAX_RECORDS_PER_BATCH || bytes > MAX_BYTES_PER_BATCH)) break
      count++
    }
    return this.waiting.splice(0, count)
  }

  private async appendBatch(
    ready: ReadyBatch,
  ): Promise<{ baseOffset: number; leaderEpoch: number; baseSequence: number }> {
    for (let identities = 1; ; identities++) {
      try {
        this.identity ??= await this.newIdentity()
        const baseSequence = this.nextSequence
        stampBatch(ready, this.identity, baseSequence, false)
        const appended = await this.repeat(() => this.produce(ready))
        this.nextSequence = sequenceAfter(baseSequence, ready.recordCount)
        return { ...appended, baseSequence }
      } catch (error) {
        const forgotten = error instanceof KafkaFailure && error.kind === 'fenced'
        if (!forgotten || identities >= MAX_IDENTITIES) throw error
        this.identity = undefined
      }
    }
  }

  private async newIdentity(): Promise<ProducerIdentity> {
    this.nextSequence = 0
    return await this.repeat(async () => {
      const connection = await this.cluster.anyConnection()
      const answer = await call(connection, initProducerIdV4.api, null, NO_TRANSACTION_TIMEOUT_MS, -1n, -1)
      if (answer.errorCode !== 0) throw failureFor(answer.errorCode, 'InitProducerId')
      return { producerId: Number(answer.producerId), producerEpoch: answer.producerEpoch }
    })
  }

  private async produce(ready: ReadyBatch): Promise<{ baseOffset: number; leaderEpoch: number }> {
    const { topic, partition } = this.partition
    const { leader, leaderEpoch } = await this.cluster.leaderOf(topic, partition)
    const topicId = this.cluster.metadata.peek(topic)?.topicId ?? ''
    const connection = await this.cluster.connection(leader, 'plain')
    const version = produceVersion(connection, false)
    const response = await new Promise<ProduceResponse>((resolve, reject) => {
      connection.submit<ProduceResponse>({
        apiKey: PRODUCE_KEY,
        apiVersion: version,
        body: encodeProduce(version, null, PRODUCE_TIMEOUT_MS, [{ topic, topicId, partition, batch: ready }]),
        taggedRequestHeader: true,
        taggedResponseHeader: true,
        timeoutMs: PRODUCE_TIMEOUT_MS + ANSWER_SLACK_MS,
        parse: body => parseProduce(version, new WireReader(body)),
        done: (failure, value) => (failure === undefined ? resolve(value as ProduceResponse) : reject(failure)),
      })
    })
    connection.throttled(response.throttleTimeMs)
    const answer = response.partitions[0]
    if (answer?.errorCode !== 0) throw failureFor(answer?.errorCode ?? -1, `Produce to ${this.name()}`, answer?.message)
    return { baseOffset: answer.baseOffset, leaderEpoch }
  }

  private repeat<T>(attempt: () => Promise<T>): Promise<T> {
    const refresh = async () => void (await this.cluster.metadata.refresh(this.partition.topic))
    return retry({ withinMs: WITHIN_MS, repeatable: true, refresh }, attempt)
  }

  private name(): string {
    return `${this.partition.topic}-${this.partition.partition}`
  }
}
