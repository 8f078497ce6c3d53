import type { FetchedBatches } from './types.ts'

/** One partition of a log as a reader follows it. */
export interface ReaderPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Next offset to fetch. */
  readonly offset: number
  /** Leader epoch of the last record already held, -1 for none: the broker compares histories by it (KIP-595, Fetch v12+). */
  readonly lastFetchedEpoch: number
}

/** Why a partition cannot be followed any further. The reader has let go of it when this is delivered. */
export type ReaderFailure =
  /** The offset is outside the log as looked up afterwards; `offset` below `logStartOffset`: retention; above `endOffset`: truncation. */
  | {
      readonly kind: 'out-of-range'
      readonly offset: number
      readonly logStartOffset: number
      readonly endOffset: number
    }
  /**
   * The log has another history: its records of `epoch` (the largest at or below ours) end at `endOffset` (KIP-320).
   * `epoch` -1: it knows none at or below ours, or ours lies above all of its own; `endOffset` is then the log's end.
   */
  | { readonly kind: 'diverged'; readonly epoch: number; readonly endOffset: number }
  | { readonly kind: 'topic-recreated'; readonly topicId: string }
  | { readonly kind: 'topic-missing' }
  | { readonly kind: 'denied'; readonly message: string }
  | { readonly kind: 'old-format'; readonly offset: number; readonly magic: number }
  | { readonly kind: 'corrupt'; readonly offset: number; readonly message: string }

export interface ReaderEvents {
  /**
   * Whole raw READ_COMMITTED batches of this partition from one response; the first may begin below `fetchedFrom`.
   * The partition is not fetched again until `next` is called. The listener releases `fetched`, exactly once.
   */
  batches(fetched: FetchedBatches, fetchedFrom: number): void
  /** High watermark, last stable offset or log start moved and there is nothing to deliver. */
  watermark?(highWatermark: number, lastStableOffset: number, logStartOffset: number): void
  failed(failure: ReaderFailure): void
}

export interface ReaderHandle {
  /** Go on at `offset`. Also ends a pause. */
  next(offset: number, lastFetchedEpoch: number): void
  /** No new fetch until `next`; what an outstanding one brings is dropped (and fetched again then). */
  pause(): void
  /** Nothing is delivered any more. */
  remove(): void
}

export interface LogReader {
  add(partition: ReaderPartition, events: ReaderEvents): ReaderHandle
  /** Bytes of response buffers that listeners hold. */
  readonly outstandingBytes: number
  /** Retried failures by cause since the start, for metrics. */
  readonly retries: ReadonlyMap<string, number>
  close(): void
}
