import type { KafkaCluster } from './cluster.ts'
import type { BrokerConnection } from './connection.ts'
import { failureFor } from './error-table.ts'
import { KafkaFailure } from './failure.ts'
import {
  encodeFetch,
  FETCH_BY_ID,
  FETCH_BY_NAME,
  FETCH_KEY,
  type FetchedPartition,
  type FetchPartition,
  type FetchResponse,
  type Isolation,
  NO_TOPIC_ID,
  parseFetch,
} from './fetch-codec.ts'
import type { LeasedBuffer, ResponseBuffers } from './response-buffers.ts'
import { WireReader } from './wire.ts'

const MAX_WAIT_MS = 500
/** On the last free connection: whoever becomes ready next must not find all of them waiting long. */
const LAST_CONNECTION_WAIT_MS = 20
const PARTITION_MAX_BYTES = 1024 * 1024
const RESPONSE_MAX_BYTES = 8 * 1024 * 1024
/** The first batch comes whole even where it is larger (KIP-74), and topics may allow large ones. */
const LARGEST_RESPONSE_BYTES = 128 * 1024 * 1024
const REQUEST_TIMEOUT_MS = 30_000
/**
 * A request names all its partitions, and one byte for any of them answers it. Requests for many partitions therefore
 * begin a little later, by their cost, so that a thousand slow partitions do not become a thousand requests a second.
 */
const LINGER_MS_PER_PARTITION = 0.01
const MAX_LINGER_MS = 20
const MIN_LINGER_MS = 1

/** One partition as the fetcher of its leader sees it. */
export interface FetchablePartition {
  /** What to ask for now; undefined when it wants nothing any more. */
  fetch(): FetchPartition | undefined
  /** `lease` is held for this call only: whoever keeps bytes of it retains it. */
  fetched(asked: FetchPartition, answer: FetchedPartition, lease: LeasedBuffer): void
  fetchFailed(asked: FetchPartition, failure: KafkaFailure): void
}

/**
 * - `hungry`: it has records, and the last response had no room for them: it goes first
 * - `ready`: to be fetched at once
 * - `idle`: its last answer was empty
 */
export type Urgency = 'hungry' | 'ready' | 'idle'

interface Asked {
  readonly partition: FetchablePartition
  readonly what: FetchPartition
}

export interface FetcherOptions {
  /** Names the connections. */
  readonly purpose: string
  readonly isolation: Isolation
  readonly connections: number
  readonly buffers: ResponseBuffers
  readonly mayFetch: () => boolean
}

/** Fetches from one broker, over a few connections: a free one takes every partition that is ready and in no fetch. */
export class BrokerFetcher {
  private readonly cluster: KafkaCluster
  private readonly nodeId: number
  private readonly purpose: string
  private readonly isolation: Isolation
  private readonly buffers: ResponseBuffers
  private readonly mayFetch: () => boolean
  private waiting: Record<Urgency, Set<FetchablePartition>> = nobody()
  private readonly connections: number
  private readonly free: number[]
  /** Set while those that had nothing linger. */
  private lingering: NodeJS.Timeout | undefined
  private pumping = false
  private closed = false

  constructor(cluster: KafkaCluster, nodeId: number, options: FetcherOptions) {
    this.cluster = cluster
    this.nodeId = nodeId
    this.purpose = options.purpose
    this.isolation = options.isolation
    this.connections = options.connections
    this.free = Array.from({ length: options.connections }, (_, index) => index)
    this.buffers = options.buffers
    this.mayFetch = options.mayFetch
  }

  /** The partition wants to be fetched. */
  offer(partition: FetchablePartition, urgency: Urgency): void {
    this.waiting[urgency].add(partition)
    this.wake()
  }

  withdraw(partition: FetchablePartition): void {
    for (const partitions of Object.values(this.waiting)) partitions.delete(partition)
  }

  /** Memory came back, or partitions were offered. */
  wake(): void {
    if (this.pumping || this.closed) return
    this.pumping = true
    queueMicrotask(() => {
      this.pumping = false
      this.pump()
    })
  }

  close(): void {
    this.closed = true
    clearTimeout(this.lingering)
  }

  private pump(): void {
    const slot = this.free[0]
    if (slot === undefined || this.closed || !this.mayFetch()) return
    const { hungry, ready, idle } = this.waiting
    this.waiting = nobody()
    if (this.lingering !== undefined) this.waiting.idle = idle
    const taken = this.lingering === undefined ? [...hungry, ...ready, ...idle] : [...hungry, ...ready]
    const asked: Asked[] = []
    for (const partition of taken) {
      const what = partition.fetch()
      if (what !== undefined) asked.push({ partition, what })
    }
    if (asked.length === 0) return
    this.free.shift()
    void this.fetch(slot, asked)
  }

  private async fetch(slot: number, asked: readonly Asked[]): Promise<void> {
    try {
      const connection = await this.cluster.connection(this.nodeId, `${this.purpose}-${slot}`)
      await this.fetchOver(connection, asked)
    } catch (error) {
      const failure =
        error instanceof KafkaFailure
          ? error
          : new KafkaFailure('fatal', 'FETCH_FAILED', String(error), { cause: error })
      for (const { partition, what } of asked) partition.fetchFailed(what, failure)
    }
    this.free.push(slot)
    this.free.sort()
    this.linger(asked.length)
  }

  private linger(partitions: number): void {
    const lingerMs = Math.min(partitions * LINGER_MS_PER_PARTITION, MAX_LINGER_MS)
    if (lingerMs >= MIN_LINGER_MS && this.lingering === undefined && !this.closed) {
      this.lingering = setTimeout(() => {
        this.lingering = undefined
        this.wake()
      }, lingerMs)
    }
    this.wake()
  }

  private fetchOver(connection: BrokerConnection, asked: readonly Asked[]): Promise<void> {
    const byId = connection.supports(FETCH_KEY, FETCH_BY_ID) && asked.every(one => one.what.topicId !== NO_TOPIC_ID)
    const version = byId ? FETCH_BY_ID : FETCH_BY_NAME
    const isLast = this.connections > 1 && this.free.length === 0
    const limits = {
      maxWaitMs: isLast ? LAST_CONNECTION_WAIT_MS : MAX_WAIT_MS,
      maxBytes: RESPONSE_MAX_BYTES,
      partitionMaxBytes: PARTITION_MAX_BYTES,
      isolation: this.isolation,
    }
    let lease: LeasedBuffer | undefined
    const allocate = (bytes: number) => {
      lease = this.buffers.lease(bytes)
      return lease.buffer
    }
    return new Promise((resolve, reject) => {
      connection.submit<FetchResponse>({
        apiKey: FETCH_KEY,
        apiVersion: version,
        body: [
          encodeFetch(
            version,
            asked.map(one => one.what),
            limits,
          ),
        ],
        taggedRequestHeader: true,
        taggedResponseHeader: true,
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxResponseBytes: LARGEST_RESPONSE_BYTES,
        allocate,
        parse: body => parseFetch(version, new WireReader(body)),
        done: (failure, response) => {
          const problem = failure ?? (response!.errorCode === 0 ? undefined : failureFor(response!.errorCode, 'Fetch'))
          if (problem === undefined) {
            connection.throttled(response!.throttleTimeMs)
            deliver(version, asked, response!, lease!)
          }
          lease?.release()
          if (problem === undefined) resolve()
          else reject(problem)
        },
      })
    })
  }
}

function nobody(): Record<Urgency, Set<FetchablePartition>> {
  return { hungry: new Set(), ready: new Set(), idle: new Set() }
}

function deliver(version: number, asked: readonly Asked[], response: FetchResponse, lease: LeasedBuffer): void {
  const byTopic = new Map<string, Map<number, FetchedPartition>>()
  for (const answer of response.partitions) {
    const ofTopic = byTopic.getOrInsertComputed(answer.topicKey, () => new Map())
    ofTopic.set(answer.partition, answer)
  }
  for (const { partition, what } of asked) {
    const topicKey = version >= FETCH_BY_ID ? what.topicId : what.topic
    const answer = byTopic.get(topicKey)?.get(what.partition)
    const name = `Fetch of ${what.topic}-${what.partition} at ${what.offset}`
    if (answer === undefined) partition.fetchFailed(what, failureFor(-1, name))
    // An error of one partition comes beside the records of the others. OFFSET_OUT_OF_RANGE and the like carry no bytes.
    else if (answer.errorCode !== 0) partition.fetchFailed(what, failureFor(answer.errorCode, name))
    else partition.fetched(what, answer, lease)
  }
}
