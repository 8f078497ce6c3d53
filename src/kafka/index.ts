/** The room's door: everything about one Kafka cluster that other rooms may use. */
export { KafkaFailure } from './failure.ts'
export type { LogReader, ReaderEvents, ReaderFailure, ReaderHandle, ReaderPartition } from './log-reader-types.ts'
export type * from './types.ts'
