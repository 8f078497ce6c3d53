import { BrokerProducer } from './broker-producer.ts'
import type { KafkaCluster } from './cluster.ts'
import type { LogQueries } from './log-queries.ts'
import { BrokerAppender } from './partition-appender.ts'
import type { AppenderOptions, PartitionAppender } from './types.ts'

/** Appends batches to partitions of one cluster; partitions with the same leader share its connection and requests. */
export class BatchWriter {
  private readonly cluster: KafkaCluster
  private readonly queries: LogQueries
  private readonly producers = new Map<number, BrokerProducer>()
  private readonly open = new Set<BrokerAppender>()
  private readonly stopTick: () => void
  private readonly stopPause: () => void

  constructor(cluster: KafkaCluster, queries: LogQueries) {
    this.cluster = cluster
    this.queries = queries
    this.stopTick = cluster.guard.onTick(nowMs => {
      for (const appender of this.open) appender.checkDeadline(nowMs)
    })
    this.stopPause = cluster.guard.onPause(gapMs => {
      for (const appender of this.open) appender.paused(gapMs)
    })
  }

  openAppender(options: AppenderOptions): PartitionAppender {
    const appender = new BrokerAppender(options, {
      cluster: this.cluster,
      queries: this.queries,
      producerFor: nodeId => this.producers.getOrInsertComputed(nodeId, () => new BrokerProducer(this.cluster, nodeId)),
      gone: gone => this.open.delete(gone),
    })
    this.open.add(appender)
    return appender
  }

  /** Closes every appender. */
  close(): void {
    this.stopTick()
    this.stopPause()
    for (const appender of this.open) appender.close()
  }
}
