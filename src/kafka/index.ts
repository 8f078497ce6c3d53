/** The room's door: everything about one Kafka cluster that other rooms may use. */
export { KafkaCluster } from './cluster.ts'
export type { ClusterConfig, SaslSettings, TlsSettings } from './cluster-config.ts'
export type { BrokerAddress } from './connection.ts'
export { KafkaFailure } from './failure.ts'
export { LogQueries } from './log-queries.ts'
export type { LogReader, ReaderEvents, ReaderFailure, ReaderHandle, ReaderPartition } from './log-reader-types.ts'
export { type ClusterTargetLog, openTargetLog } from './target-log.ts'
export type * from './types.ts'
