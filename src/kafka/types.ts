import type { ReadyBatch } from '../record/ready-batch.ts'

/** Kafka's nouns as the rooms use them. Offsets, ids and times are safe integers; topic ids canonical UUID text. */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Who writes: a producerId with its epoch (KIP-98). */
export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

export interface PartitionMetadata {
  readonly partition: number
  /** Broker id, -1 while there is none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  readonly topicId: string
  readonly internal: boolean
  readonly partitions: readonly PartitionMetadata[]
}

/**
 * What an error of a broker or connection means for the caller; the table is `kafka/error-table.ts`.
 * - `retriable`: definitely not done; the same request may be sent again (after a metadata refresh where `refresh`)
 * - `ambiguous`: may or may not have been done
 * - `fenced`: a newer owner, or a log that forgot us: give up, or fence again if still the owner
 * - `too-large`: definitely not done, and never will be at this size
 * - `denied`: an ACL is missing
 * - `fatal`: definitely not done and repeating is useless
 */
export type FailureKind = 'retriable' | 'ambiguous' | 'fenced' | 'too-large' | 'denied' | 'fatal'

export interface FetchedBatches {
  /** Raw bytes: whole record batches, magic 2, possibly followed by nothing. Valid until the caller returns to the pool, see `release`. */
  readonly records: Buffer
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** READ_COMMITTED only: aborted transactions that overlap this response (Fetch v4+). */
  readonly abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[]
  release(): void
}

export interface LogOffsets {
  readonly logStartOffset: number
  /** READ_UNCOMMITTED end: the high watermark. */
  readonly endOffset: number
  readonly leaderEpoch: number
}

export interface ProducerState extends ProducerIdentity {
  readonly lastSequence: number
  readonly lastTimestampMs: number
  /** -1 when no transaction is open in this partition. */
  readonly currentTxnStartOffset: number
}

export interface TransactionState extends ProducerIdentity {
  readonly state: string
}

export interface Appended {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly lastSequence: number
}

/**
 * One writer run of one partition: appends in order under one (producerId, epoch), at most 5 requests in flight.
 * Definite errors are resent inside; every other failure rejects that append and all after it with one KafkaFailure,
 * after which the appender is dead (exactly-once.md 2.1).
 */
export interface PartitionAppender {
  append(batch: ReadyBatch): Promise<Appended>
  readonly inFlight: number
  /** The sequence the next append will carry. */
  readonly nextSequence: number
  /** Resolves when no answer is outstanding. */
  settled(): Promise<void>
  /** No further sends; outstanding appends reject as ambiguous. */
  close(): void
}

export interface AppenderOptions extends TopicPartition {
  readonly topicId: string
  readonly identity: ProducerIdentity
  /** 0 only directly after a fence. */
  readonly firstSequence: number
  /** Set: transactional batches of this id (Produce v11 or lower, F18). */
  readonly transactionalId?: string
  /** Highest offset known to be ours (marker or ack): an answer at or below it is an alarm (TARGET_ALARM). */
  readonly lastKnownOffset: number
  /** After this long without a definite outcome the append fails as ambiguous. */
  readonly deliveryTimeoutMs: number
}
