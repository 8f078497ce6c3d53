import type { ReadyBatch } from '../record/ready-batch.ts'
import type { KafkaCluster } from './cluster.ts'
import type { BrokerConnection } from './connection.ts'
import { failureFor } from './error-table.ts'
import type { KafkaFailure } from './failure.ts'
import {
  ANSWER_SLACK_MS,
  encodeProduce,
  PRODUCE_BY_ID,
  PRODUCE_KEY,
  PRODUCE_TIMEOUT_MS,
  type ProducedPartition,
  type ProduceResponse,
  parseProduce,
  produceVersion,
} from './produce-codec.ts'
import { WireReader } from './wire.ts'

/** With more, a broker that keeps the last five batches of a producer could not tell a repeat from a gap (F1). */
export const MAX_IN_FLIGHT_REQUESTS = 5
/** A request is closed above this, or holds one batch. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024

/** A batch on its way. Identity of the object is identity of the send. */
export interface OutgoingBatch {
  readonly ready: ReadyBatch
}

/** One partition as the producer of its leader sees it. */
export interface ProducingPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Batches of different transactional ids never share a request; undefined is an id of its own. */
  readonly transactionalId: string | undefined
  /** The next batch to send on this connection, now; undefined when there is none, or not on this connection. */
  take(connection: BrokerConnection): OutgoingBatch | undefined
  /** More may be taken after this one. */
  hasMore(): boolean
  answered(batch: OutgoingBatch, baseOffset: number): void
  /** The connection it was offered on is gone. */
  reconsider(): void
  /** Refused or lost. */
  failed(batch: OutgoingBatch, failure: KafkaFailure): void
}

interface Sent {
  readonly partition: ProducingPartition
  readonly batch: OutgoingBatch
}

/**
 * Produce requests to one broker over one connection. A broker serves one request per connection at a time, so one
 * request carries a batch for each of many partitions: sent at once while fewer than five are in flight, gathered
 * meanwhile. Bounded by five requests of 4 MiB (or one batch) and one entry per partition.
 */
export class BrokerProducer {
  private readonly cluster: KafkaCluster
  private readonly nodeId: number
  private readonly ready = new Set<ProducingPartition>()
  private current: BrokerConnection | undefined
  private inFlight = 0
  private pumping = false

  constructor(cluster: KafkaCluster, nodeId: number) {
    this.cluster = cluster
    this.nodeId = nodeId
  }

  /** The connection that is produced over now. A partition must know its state at the broker before its first batch on it. */
  async connection(): Promise<BrokerConnection> {
    if (this.current?.usable) return this.current
    const connection = await this.cluster.connection(this.nodeId, 'produce')
    if (this.current !== connection) {
      this.current = connection
      this.inFlight = 0
    }
    return connection
  }

  /** The partition has something to send. */
  offer(partition: ProducingPartition): void {
    this.ready.add(partition)
    if (this.pumping) return
    this.pumping = true
    // What is offered in the same turn shares a request.
    queueMicrotask(() => {
      this.pumping = false
      this.pump()
    })
  }

  withdraw(partition: ProducingPartition): void {
    this.ready.delete(partition)
  }

  private pump(): void {
    const connection = this.current
    if (!connection?.usable) {
      // Each partition finds its way to a new connection by itself: it has to ask for its state there first.
      for (const partition of this.ready) partition.reconsider()
      this.ready.clear()
      return
    }
    while (this.inFlight < MAX_IN_FLIGHT_REQUESTS && connection.usable) {
      const sent = this.gather(connection)
      if (sent.length === 0) return
      this.send(connection, sent)
    }
  }

  private gather(connection: BrokerConnection): Sent[] {
    const sent: Sent[] = []
    let bytes = 0
    let transactionalId: string | undefined
    // A broker takes one batch of a partition in a request, and two links write to the same partition.
    const taken = new Set<string>()
    for (const partition of this.ready) {
      if (sent.length > 0 && partition.transactionalId !== transactionalId) continue
      const place = `${partition.topicId}/${partition.partition}`
      if (taken.has(place)) continue
      if (bytes >= MAX_REQUEST_BYTES) break
      const batch = partition.take(connection)
      this.ready.delete(partition)
      if (batch === undefined) continue
      transactionalId = partition.transactionalId
      taken.add(place)
      bytes += batch.ready.sizeBytes
      sent.push({ partition, batch })
    }
    // Behind the others: everyone gets a turn.
    for (const { partition } of sent) if (partition.hasMore()) this.ready.add(partition)
    return sent
  }

  private send(connection: BrokerConnection, sent: readonly Sent[]): void {
    const transactionalId = sent[0]!.partition.transactionalId
    const version = produceVersion(connection, transactionalId !== undefined)
    const partitions = sent.map(({ partition, batch }) => ({
      topic: partition.topic,
      topicId: partition.topicId,
      partition: partition.partition,
      batch: batch.ready,
    }))
    this.inFlight++
    connection.submit<ProduceResponse>({
      apiKey: PRODUCE_KEY,
      apiVersion: version,
      body: encodeProduce(version, transactionalId ?? null, PRODUCE_TIMEOUT_MS, partitions),
      taggedRequestHeader: true,
      taggedResponseHeader: true,
      timeoutMs: PRODUCE_TIMEOUT_MS + ANSWER_SLACK_MS,
      parse: body => parseProduce(version, new WireReader(body)),
      done: (failure, response) => {
        if (connection === this.current) this.inFlight--
        if (failure !== undefined) for (const { partition, batch } of sent) partition.failed(batch, failure)
        else this.deliver(connection, version, sent, response as ProduceResponse)
        this.pump()
      },
    })
  }

  private deliver(
    connection: BrokerConnection,
    version: number,
    sent: readonly Sent[],
    response: ProduceResponse,
  ): void {
    connection.throttled(response.throttleTimeMs)
    const answers = new Map<string, ProducedPartition>()
    for (const answer of response.partitions) answers.set(`${answer.topicKey}/${answer.partition}`, answer)
    for (const { partition, batch } of sent) {
      const topicKey = version >= PRODUCE_BY_ID ? partition.topicId : partition.topic
      const answer = answers.get(`${topicKey}/${partition.partition}`)
      if (answer?.errorCode === 0) {
        partition.answered(batch, answer.baseOffset)
        continue
      }
      const what = `Produce to ${partition.topic}-${partition.partition}`
      partition.failed(batch, failureFor(answer?.errorCode ?? -1, what, answer?.message))
    }
  }
}
