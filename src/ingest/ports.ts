import type {
  Appended,
  AppenderOptions,
  FetchedBatches,
  LogOffsets,
  PartitionAppender,
  ProducerIdentity,
  ProducerState,
  TopicPartition,
  TransactionState,
} from '../kafka/types.ts'

/**
 * What ingest needs of the local (target) cluster. Implemented by `kafka/target-log.ts`, and by the model in
 * `test/support/model/` for the simulation. Operations reject with KafkaFailure. Each is one attempt against the right
 * broker after at most a few seconds of internal retry of `retriable` errors; the caller decides about more.
 */
export interface TargetLog {
  /** InitProducerId v4 with producerId -1: same id, next epoch (F5). Retries CONCURRENT_TRANSACTIONS and coordinator loading inside. */
  initProducerId(transactionalId: string, transactionTimeoutMs: number): Promise<ProducerIdentity>
  /** AddPartitionsToTxn v3, never newer (F7). */
  addPartitionsToTxn(
    transactionalId: string,
    identity: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void>
  /** EndTxn v3, never newer. Resolves when the coordinator answered; the marker may not be in the log yet (F4). */
  endTxn(transactionalId: string, identity: ProducerIdentity, commit: boolean): Promise<void>
  /** undefined: TRANSACTIONAL_ID_NOT_FOUND. */
  describeTransaction(transactionalId: string): Promise<TransactionState | undefined>
  /** DescribeProducers of one producerId in one partition; undefined: the partition has no state for it (F13). */
  describeProducer(partition: TopicPartition, producerId: number): Promise<ProducerState | undefined>
  offsets(partition: TopicPartition): Promise<LogOffsets>
  /** End offset of the largest epoch at or below `leaderEpoch` (OffsetForLeaderEpoch). */
  endOffsetForEpoch(partition: TopicPartition, leaderEpoch: number): Promise<{ leaderEpoch: number; endOffset: number }>
  /**
   * One READ_UNCOMMITTED fetch from `fromOffset`, up to `maxBytes`, waiting at most `maxWaitMs` for a first byte.
   * Whole batches only. Rejects `fatal` OFFSET_OUT_OF_RANGE.
   */
  read(partition: TopicPartition, fromOffset: number, maxBytes: number, maxWaitMs: number): Promise<FetchedBatches>
  topicId(topic: string): Promise<string | undefined>
  openAppender(options: AppenderOptions): PartitionAppender
}

/** One plain produce of a single record with acks=all, retried until definite; used for checkpoints and registry entries. */
export interface CompactedTable<V> {
  /** Value per key as far as read. */
  get(key: string): V | undefined
  entries(): IterableIterator<[string, V]>
  /** Durable (acks=all) when it resolves; null removes. */
  put(key: string, value: V | null): Promise<Appended>
  /** Reads to the end of the log as of now (ListOffsets, then read up to it). */
  catchUp(): Promise<void>
}
