/** The room's door: everything about one Kafka cluster that other rooms may use. */
export { KafkaCluster } from './cluster.ts'
export type { ClusterConfig, SaslSettings, TlsSettings } from './cluster-config.ts'
export { type ClusterTable, openTable, type TableOptions } from './compacted-table.ts'
export type { BrokerAddress } from './connection.ts'
export { KafkaFailure } from './failure.ts'
export {
  type GroupMembership,
  type MembershipOptions,
  type MembershipOptions,
  type NamedMember,
  type NamedMember,
  openGroupMembership,
} from './group-membership.ts'
export { LogQueries } from './log-queries.ts'
export { type LogReaderOptions, openLogReader } from './log-reader.ts'
export type { LogReader, ReaderEvents, ReaderFailure, ReaderHandle, ReaderPartition } from './log-reader-types.ts'
export { type AclOperation, Permissions } from './permissions.ts'
export { PlainWriter } from './plain-writer.ts'
export { type ClusterTargetLog, openTargetLog } from './target-log.ts'
export { type ClusterAdmin, openTopicAdmin } from './topic-admin.ts'
export type * from './types.ts'
