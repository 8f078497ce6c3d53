import { describeProducersV0, listOffsetsV7, offsetForLeaderEpochV4 } from '@platformatic/kafka'
import { call } from './call.ts'
import type { KafkaCluster } from './cluster.ts'
import type { BrokerConnection } from './connection.ts'
import { failureFor } from './error-table.ts'
import type { KafkaFailure } from './failure.ts'
import { PartitionQuestions, type Question } from './partition-questions.ts'
import { retry } from './retry.ts'
import type { LogOffsets, ProducerState, TopicPartition } from './types.ts'

/** How long a question is repeated while the leader moves or does not know its high watermark yet. */
const WITHIN_MS = 5_000
/** Special timestamps of ListOffsets. */
const LATEST = -1
const EARLIEST = -2
const CONSUMER_REPLICA_ID = -1
/** READ_UNCOMMITTED: the end is the high watermark. */
const UNCOMMITTED = 0

interface AtTime extends TopicPartition {
  readonly timestampMs: number
}

interface OfProducer extends TopicPartition {
  readonly producerId: number
}

interface OfEpoch extends TopicPartition {
  readonly leaderEpoch: number
}

export interface FoundOffset {
  /** -1: no record is that young. */
  readonly offset: number
  readonly leaderEpoch: number
}

export interface EpochEnd {
  readonly leaderEpoch: number
  readonly endOffset: number
}

/**
 * Questions about partition logs that read nothing of their records. Each is repeated for 5 s while its failure is
 * `retriable` (OFFSET_NOT_AVAILABLE of a new leader, KIP-207, among them); then it rejects with KafkaFailure.
 */
export class LogQueries {
  private readonly cluster: KafkaCluster
  private readonly offsets: PartitionQuestions<AtTime, FoundOffset>
  private readonly producers: PartitionQuestions<OfProducer, ProducerState | undefined>
  private readonly epochs: PartitionQuestions<OfEpoch, EpochEnd>

  constructor(cluster: KafkaCluster) {
    this.cluster = cluster
    this.offsets = new PartitionQuestions(cluster, listOffsets)
    this.producers = new PartitionQuestions(cluster, describeProducers)
    this.epochs = new PartitionQuestions(cluster, offsetForLeaderEpoch)
  }

  async logOffsets(partition: TopicPartition): Promise<LogOffsets> {
    const [earliest, latest] = await Promise.all([this.earliest(partition), this.latest(partition)])
    return { logStartOffset: earliest.offset, endOffset: latest.offset, leaderEpoch: latest.leaderEpoch }
  }

  earliest(partition: TopicPartition): Promise<FoundOffset> {
    return this.repeat(partition, () => this.offsets.put({ ...partition, timestampMs: EARLIEST }))
  }

  /** The high watermark. */
  latest(partition: TopicPartition): Promise<FoundOffset> {
    return this.repeat(partition, () => this.offsets.put({ ...partition, timestampMs: LATEST }))
  }

  /** The first record whose timestamp (Unix ms) is not below; offset -1 when there is none. */
  atTime(partition: TopicPartition, timestampMs: number): Promise<FoundOffset> {
    return this.repeat(partition, () => this.offsets.put({ ...partition, timestampMs }))
  }

  /** undefined: the partition holds no state of this producerId (F13). */
  producer(partition: TopicPartition, producerId: number): Promise<ProducerState | undefined> {
    return this.repeat(partition, () => this.producers.put({ ...partition, producerId }))
  }

  /** End of the largest epoch at or below `leaderEpoch`; both -1 where the log knows none. */
  endOffsetForEpoch(partition: TopicPartition, leaderEpoch: number): Promise<EpochEnd> {
    return this.repeat(partition, () => this.epochs.put({ ...partition, leaderEpoch }))
  }

  private repeat<T>(partition: TopicPartition, attempt: () => Promise<T>): Promise<T> {
    const refresh = async () => void (await this.cluster.metadata.refresh(partition.topic))
    return retry({ withinMs: WITHIN_MS, repeatable: true, refresh }, attempt)
  }
}

async function listOffsets(
  connection: BrokerConnection,
  questions: readonly (AtTime & Question)[],
): Promise<(FoundOffset | KafkaFailure)[]> {
  const topics = byTopic(questions).map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.map(({ partition, currentLeaderEpoch, timestampMs }) => ({
      partitionIndex: partition,
      currentLeaderEpoch,
      timestamp: BigInt(timestampMs),
    })),
  }))
  const response = await call(connection, listOffsetsV7.api, CONSUMER_REPLICA_ID, UNCOMMITTED, topics)
  const answers = answersByPartition(response.topics.map(t => [t.name, t.partitions.map(p => [p.partitionIndex, p])]))
  return questions.map(question => {
    const answer = answers(question)
    if (answer === undefined || answer.errorCode !== 0) return failed('ListOffsets', question, answer)
    return { offset: Number(answer.offset), leaderEpoch: answer.leaderEpoch }
  })
}

async function describeProducers(
  connection: BrokerConnection,
  questions: readonly (OfProducer & Question)[],
): Promise<(ProducerState | undefined | KafkaFailure)[]> {
  const topics = byTopic(questions).map(([name, ofTopic]) => ({
    name,
    partitionIndexes: ofTopic.map(q => q.partition),
  }))
  const response = await call(connection, describeProducersV0.api, topics)
  const answers = answersByPartition(response.topics.map(t => [t.name, t.partitions.map(p => [p.partitionIndex, p])]))
  return questions.map(question => {
    const answer = answers(question)
    if (answer === undefined || answer.errorCode !== 0) return failed('DescribeProducers', question, answer)
    const found = answer.activeProducers.find(producer => Number(producer.producerId) === question.producerId)
    return (
      found && {
        producerId: question.producerId,
        producerEpoch: found.producerEpoch,
        lastSequence: found.lastSequence,
        lastTimestampMs: Number(found.lastTimestamp),
        currentTxnStartOffset: Number(found.currentTxnStartOffset),
      }
    )
  })
}

async function offsetForLeaderEpoch(
  connection: BrokerConnection,
  questions: readonly (OfEpoch & Question)[],
): Promise<(EpochEnd | KafkaFailure)[]> {
  const topics = byTopic(questions).map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.map(({ partition, currentLeaderEpoch, leaderEpoch }) => ({
      partitionIndex: partition,
      currentLeaderEpoch,
      leaderEpoch,
    })),
  }))
  const response = await call(connection, offsetForLeaderEpochV4.api, CONSUMER_REPLICA_ID, topics)
  const answers = answersByPartition(response.topics.map(t => [t.topic, t.partitions.map(p => [p.partition, p])]))
  return questions.map(question => {
    const answer = answers(question)
    if (answer === undefined || answer.errorCode !== 0) return failed('OffsetForLeaderEpoch', question, answer)
    return { leaderEpoch: answer.leaderEpoch, endOffset: Number(answer.endOffset) }
  })
}

function byTopic<Q extends TopicPartition>(questions: readonly Q[]): [string, Q[]][] {
  return [...Map.groupBy(questions, question => question.topic)]
}

function answersByPartition<A>(
  topics: readonly (readonly [string, readonly (readonly [number, A])[]])[],
): (partition: TopicPartition) => A | undefined {
  const answers = new Map<string, A>()
  for (const [topic, partitions] of topics) {
    for (const [partition, answer] of partitions) answers.set(`${topic}/${partition}`, answer)
  }
  return ({ topic, partition }) => answers.get(`${topic}/${partition}`)
}

function failed(
  api: string,
  { topic, partition }: TopicPartition,
  answer: { errorCode: number; errorMessage?: string | null } | undefined,
): KafkaFailure {
  // A partition that the broker left out of its answer is treated as one it failed at.
  return failureFor(answer?.errorCode ?? -1, `${api} of ${topic}-${partition}`, answer?.errorMessage)
}
