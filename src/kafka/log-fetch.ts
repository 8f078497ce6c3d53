import { batchEnd } from '../record/batch.ts'
import type { KafkaCluster } from './cluster.ts'
import { REQUEST_TIMEOUT_MS } from './connection.ts'
import { failureFor } from './error-table.ts'
import { KafkaFailure } from './failure.ts'
import {
  encodeFetch,
  FETCH_BY_ID,
  FETCH_BY_NAME,
  FETCH_KEY,
  type FetchResponse,
  NO_TOPIC_ID,
  parseFetch,
} from './fetch-codec.ts'
import { retry } from './retry.ts'
import type { FetchedBatches, TopicPartition } from './types.ts'
import { WireReader } from './wire.ts'

/** A read may wait at the broker for a first byte, and a broker serves one request per connection: so many may wait at one broker. */
const READ_CONNECTIONS_PER_BROKER = 16
const WITHIN_MS = 5_000
/** A batch comes whole even where it is above `maxBytes` (KIP-74), and topics may allow large ones. */
const MAX_RESPONSE_BYTES = 128 * 1024 * 1024

/** A response never ends in half a batch for whoever reads on: the partial tail is cut. Throws BATCH_OLD_FORMAT or BATCH_CORRUPT. */
export function wholeBatches(records: Buffer): Buffer {
  let end = 0
  for (let next = batchEnd(records, 0); next > 0; next = batchEnd(records, end)) end = next
  return records.subarray(0, end)
}

/** Takes turns on a fixed number of connections to one broker. */
class Turns {
  private readonly free = Array.from({ length: READ_CONNECTIONS_PER_BROKER }, (_, index) => index)
  private readonly waiting: ((turn: number) => void)[] = []

  take(): Promise<number> {
    const turn = this.free.shift()
    if (turn !== undefined) return Promise.resolve(turn)
    return new Promise(resolve => this.waiting.push(resolve))
  }

  give(turn: number): void {
    const next = this.waiting.shift()
    if (next === undefined) this.free.unshift(turn)
    else next(turn)
  }
}

/** Single READ_UNCOMMITTED reads of single partitions, for takeovers. The log reader is what follows a log. */
export class LogFetch {
  private readonly cluster: KafkaCluster
  private readonly turns = new Map<number, Turns>()

  constructor(cluster: KafkaCluster) {
    this.cluster = cluster
  }

  /** As TargetLog.read (src/ingest/ports.ts). */
  read(partition: TopicPartition, fromOffset: number, maxBytes: number, maxWaitMs: number): Promise<FetchedBatches> {
    const refresh = async () => void (await this.cluster.metadata.refresh(partition.topic))
    return retry({ withinMs: WITHIN_MS, repeatable: true, refresh }, async () => {
      const { leader, leaderEpoch } = await this.cluster.leaderOf(partition.topic, partition.partition)
      const turns = this.turns.getOrInsertComputed(leader, () => new Turns())
      const turn = await turns.take()
      try {
        return await this.readOnce(partition, leader, leaderEpoch, turn, { fromOffset, maxBytes, maxWaitMs })
      } finally {
        turns.give(turn)
      }
    })
  }

  private async readOnce(
    { topic, partition }: TopicPartition,
    leader: number,
    currentLeaderEpoch: number,
    turn: number,
    { fromOffset, maxBytes, maxWaitMs }: { fromOffset: number; maxBytes: number; maxWaitMs: number },
  ): Promise<FetchedBatches> {
    const topicId = this.cluster.metadata.peek(topic)?.topicId
    if (topicId === undefined) {
      throw new KafkaFailure('retriable', 'UNKNOWN_TOPIC_OR_PARTITION', `${topic} is not known`, { refresh: true })
    }
    const version = topicId === NO_TOPIC_ID ? FETCH_BY_NAME : FETCH_BY_ID
    const connection = await this.cluster.connection(leader, `read-${turn}`)
    const asked = { topic, topicId, partition, offset: fromOffset, currentLeaderEpoch, lastFetchedEpoch: -1 }
    const limits = { maxWaitMs, maxBytes, partitionMaxBytes: maxBytes, isolation: 'read-uncommitted' } as const
    const response = await new Promise<FetchResponse>((resolve, reject) => {
      connection.submit<FetchResponse>({
        apiKey: FETCH_KEY,
        apiVersion: version,
        body: [encodeFetch(version, [asked], limits)],
        taggedRequestHeader: true,
        taggedResponseHeader: true,
        timeoutMs: REQUEST_TIMEOUT_MS + maxWaitMs,
        maxResponseBytes: MAX_RESPONSE_BYTES,
        parse: body => parseFetch(version, new WireReader(body)),
        done: (failure, value) => (failure === undefined ? resolve(value as FetchResponse) : reject(failure)),
      })
    })
    connection.throttled(response.throttleTimeMs)
    const [answer] = response.partitions
    const errorCode = response.errorCode !== 0 ? response.errorCode : (answer?.errorCode ?? -1)
    if (answer === undefined || errorCode !== 0)
      throw failureFor(errorCode, `Fetch of ${topic}-${partition} at ${fromOffset}`)
    const { highWatermark, lastStableOffset, logStartOffset, abortedTransactions } = answer
    const records = wholeBatches(answer.records)
    return { records, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, release: () => undefined }
  }
}
