import type { TargetLog } from '../ingest/ports.ts'
import { BatchWriter } from './batch-writer.ts'
import type { KafkaCluster } from './cluster.ts'
import { LogFetch } from './log-fetch.ts'
import { LogQueries } from './log-queries.ts'
import { Transactions } from './transactions.ts'

/** What ingest needs of its cluster (src/ingest/ports.ts), on one shared connection to that cluster. */
export interface ClusterTargetLog extends TargetLog {
  readonly queries: LogQueries
  /** Closes the appenders; the cluster stays open. */
  close(): void
}

export function openTargetLog(cluster: KafkaCluster): ClusterTargetLog {
  const queries = new LogQueries(cluster)
  const transactions = new Transactions(cluster)
  const fetch = new LogFetch(cluster)
  const writer = new BatchWriter(cluster, queries)
  return {
    queries,
    initProducerId: (id, timeoutMs) => transactions.initProducerId(id, timeoutMs),
    addPartitionsToTxn: (id, identity, partitions) => transactions.addPartitions(id, identity, partitions),
    endTxn: (id, identity, commit) => transactions.endTxn(id, identity, commit),
    describeTransaction: id => transactions.describe(id),
    describeProducer: (partition, producerId) => queries.producer(partition, producerId),
    offsets: partition => queries.logOffsets(partition),
    endOffsetForEpoch: (partition, leaderEpoch) => queries.endOffsetForEpoch(partition, leaderEpoch),
    read: (partition, from, maxBytes, maxWaitMs) => fetch.read(partition, from, maxBytes, maxWaitMs),
    // Asked anew: who asks wants to know whether the topic is still the same.
    topicId: async topic => (await cluster.metadata.refresh(topic))?.topicId,
    openAppender: options => writer.openAppender(options),
    close: () => writer.close(),
  }
}
