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

/** The two ids under which our writers are known: producerId -> what it writes (exactly-once.md 2, T1 and 2.5). */
export interface WriterEntry {
  readonly producerId: number
  readonly origin: string
  /** Topic name in this cluster. */
  readonly topic: string
  readonly partition: number
  readonly generation: number
}

export interface WriterRegistry {
  /** Every writer ever registered for this partition of a link. */
  writersOf(origin: string, topic: string, partition: number): readonly WriterEntry[]
  /** Generation now in force, 0 at first. */
  generationOf(origin: string, topic: string, partition: number): number
  /** Durable when it resolves. */
  register(entry: WriterEntry): Promise<void>
  /** Durable when it resolves: the next takeover uses this generation (F12). */
  setGeneration(origin: string, topic: string, partition: number, generation: number): Promise<void>
  /** Reads the registry to its end as of now. */
  catchUp(): Promise<void>
}

export interface Checkpoints {
  of(origin: string, topic: string, partition: number): readonly Checkpoint[]
  /** Durable (acks=all) when it resolves. */
  save(checkpoint: Checkpoint): Promise<void>
  /** Removes superseded checkpoints; a failure leaves them, which is harmless. */
  remove(checkpoints: readonly Checkpoint[]): Promise<void>
  catchUp(): Promise<void>
  /** Where transactions of this partition write their progress records. */
  progressPartition(origin: string, topic: string, partition: number): TopicPartition
  /** The same, with the record's bytes. */
  progressRecord(checkpoint: Checkpoint): ProgressRecord
}

export interface ProgressRecord {
  readonly partition: TopicPartition
  readonly topicId: string
  readonly key: Buffer
  readonly value: Buffer
}

/**
 * What is known about a partition of a link beside the data itself: exactly-once.md 2.4, and (`transaction` set) the
 * progress record of 2.2. Only a lower bound for ordinary topics; the data decides.
 */
export interface Checkpoint extends TopicPartition {
  readonly origin: string
  readonly generation: number
  readonly producerId: number
  readonly producerEpoch: number
  /** First position ever, resolved. */
  readonly start: number
  readonly originTopicId: string
  /** Next origin offset needed. */
  readonly position: number
  /** `next` of our last batch in the log; the next batch's `from`. At most `position`. */
  readonly written: number
  /** A reported gap lies between `written` and `position`. */
  readonly gap: boolean
  readonly originLeaderEpoch: number
  readonly targetTopicId: string
  /** Base offset of our last batch in the target log, -1 none. */
  readonly targetOffset: number
  /** Every batch of ours below this target offset is covered by `position`. */
  readonly scanFrom: number
  readonly targetLeaderEpoch: number
  readonly sequence: number
  readonly savedAtMs: number
  /** Unconfirmed until a later checkpoint: what this transaction covered. */
  readonly transaction?: {
    readonly from: number
    readonly firstTargetOffset: number
    readonly lastTargetOffset: number
  }
}

/** What the operator should know, once per occurrence, with the exact range where there is one. */
export interface IngestEvent {
  readonly name:
    | 'gap'
    | 'truncated'
    | 'topic-recreated'
    | 'target-recreated'
    | 'target-truncated'
    | 'halted'
    | 'fenced'
    | 'mode-changed'
  readonly origin: string
  readonly topic: string
  readonly partition: number
  readonly message: string
  /** Origin offsets [from, to). */
  readonly from?: number
  readonly to?: number
}

/** Measurements and events that leave ingest. All calls are quick. */
export interface IngestObserver {
  event(event: IngestEvent): void
  /** `reason`: `first`, or what ended the run before: `doubt`, `mode`, `move`. */
  takeover(at: TopicPartition & { readonly origin: string }, reason: string, durationMs: number): void
  /** Bytes of the batch as stored, and of its records uncompressed. */
  appended(origin: string, topic: string, records: number, storedBytes: number, recordBytes: number): void
  /** Frame bytes that became safe. */
  received(origin: string, topic: string, frameBytes: number): void
  appendFailed(origin: string, topic: string, kind: string, code: string): void
  dropped(origin: string, topic: string, reason: 'loop' | 'duplicate', records: number): void
  provenanceReplaced(origin: string, topic: string, records: number): void
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void
}
