import { BrokerFetcher } from './broker-fetcher.ts'
import type { KafkaCluster } from './cluster.ts'
import type { Isolation } from './fetch-codec.ts'
import { FollowedPartition } from './followed-partition.ts'
import type { LogQueries } from './log-queries.ts'
import type { LogReader } from './log-reader-types.ts'
import { ResponseBuffers } from './response-buffers.ts'

const DEFAULT_CONNECTIONS_PER_BROKER = 3
/** Response buffers that listeners may hold before nothing more is fetched. */
const DEFAULT_MAX_OUTSTANDING_BYTES = 64 * 1024 * 1024

export interface LogReaderOptions {
  /** Names its connections: readers do not wait behind each other's long polls. */
  readonly name: string
  /** Default `read-committed`: the broker stops at the last stable offset and lists aborted transactions; filtering is the listener's. */
  readonly isolation?: Isolation
  /** Default 3: a hot partition takes another connection than the one on which the idle ones wait. */
  readonly connectionsPerBroker?: number
  /**
   * Default 64 MiB. Fetches that are under way when it is reached may add theirs: one per connection with 8 MiB
   * each, or one larger batch.
   */
  readonly maxOutstandingBytes?: number
}

/**
 * Follows many partitions of one cluster. Leaders that move, brokers that restart and answers that may be repeated are
 * handled inside and counted; what a listener must know comes as ReaderFailure.
 */
export function openLogReader(cluster: KafkaCluster, queries: LogQueries, options: LogReaderOptions): LogReader {
  const fetchers = new Map<number, BrokerFetcher>()
  const partitions = new Set<FollowedPartition>()
  const retries = new Map<string, number>()
  const maxOutstandingBytes = options.maxOutstandingBytes ?? DEFAULT_MAX_OUTSTANDING_BYTES
  const buffers = new ResponseBuffers(() => {
    for (const fetcher of fetchers.values()) fetcher.wake()
  })
  const fetcherOptions = {
    purpose: `fetch-${options.name}`,
    isolation: options.isolation ?? 'read-committed',
    connections: options.connectionsPerBroker ?? DEFAULT_CONNECTIONS_PER_BROKER,
    buffers,
    mayFetch: () => buffers.outstandingBytes < maxOutstandingBytes,
  }
  const context = {
    cluster,
    queries,
    fetcherFor: (nodeId: number) =>
      fetchers.getOrInsertComputed(nodeId, () => new BrokerFetcher(cluster, nodeId, fetcherOptions)),
    countRetry: (code: string) => void retries.set(code, (retries.get(code) ?? 0) + 1),
    gone: (partition: FollowedPartition) => void partitions.delete(partition),
  }
  return {
    retries,
    get outstandingBytes() {
      return buffers.outstandingBytes
    },
    add: (partition, events) => {
      const followed = new FollowedPartition(partition, events, context)
      partitions.add(followed)
      followed.want()
      return followed
    },
    close: () => {
      for (const partition of partitions) partition.remove()
      for (const fetcher of fetchers.values()) fetcher.close()
    },
  }
}
