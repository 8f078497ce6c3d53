import {
  attributesOf,
  baseOffsetOf,
  batchEnd,
  CODEC_MASK,
  CONTROL_BIT,
  corrupt,
  HEADER_BYTES,
  leaderEpochOf,
  nextOffsetOf,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
  TRANSACTIONAL_BIT,
} from './batch.ts'
import { VarintReader } from './varint.ts'

/** An aborted transaction that a READ_COMMITTED fetch response names (Fetch v4+). */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** `data` is committed and has records; only it may leave. The others only advance the offset. */
export type ScannedKind = 'data' | 'control' | 'aborted' | 'empty'

/** What a control batch says; `other` are the quorum's own (KIP-595), `none` one that compaction emptied. */
export type ControlType = 'abort' | 'commit' | 'other' | 'none'

/**
 * Walks the batches of one READ_COMMITTED fetch response and says which of them are committed data: the broker stops
 * at the last stable offset and lists aborted transactions, but leaves the filtering to us (record-batches.md 1).
 * One scan per response, since the list belongs to it. `advance` moves to the next batch and sets the fields; nothing is
 * allocated per batch and no record is looked at, but the one of a control batch.
 */
export class CommittedScan {
  /** Of the batch the scan stands at. */
  kind: ScannedKind = 'empty'
  /** Byte range [start, end) in the record set. */
  start = 0
  end = 0
  baseOffset = 0
  /** Where the next batch may begin; after the last whole batch, the offset of the next fetch. */
  nextOffset: number
  producerId = -1
  producerEpoch = -1
  leaderEpoch = -1

  private readonly records: Buffer
  /** Min-heap of firstOffset, as a sorted list read from the front: responses name few transactions. */
  private readonly pending: readonly AbortedTransaction[]
  private pendingIndex = 0
  private readonly abortedProducers = new Set<number>()

  constructor(records: Buffer, aborted: readonly AbortedTransaction[], fetchOffset: number) {
    this.records = records
    this.nextOffset = fetchOffset
    this.pending =
      aborted.length > 1 ? aborted.toSorted((left, right) => left.firstOffset - right.firstOffset) : aborted
  }

  /**
   * False after the last whole batch (a partial tail is left alone). The first batch may begin before the fetch offset:
   * the reader drops what precedes it. Throws BATCH_CORRUPT, BATCH_OLD_FORMAT.
   */
  advance(): boolean {
    const records = this.records
    const start = this.end
    const end = batchEnd(records, start)
    if (end < 0) return false
    const baseOffset = baseOffsetOf(records, start)
    const nextOffset = nextOffsetOf(records, start)
    if (nextOffset <= baseOffset) throw corrupt(records, start, `ends at offset ${nextOffset - 1}`)
    if (start > 0 && baseOffset < this.nextOffset) {
      throw corrupt(records, start, `follows a batch that ends at offset ${this.nextOffset - 1}`)
    }
    this.start = start
    this.end = end
    this.baseOffset = baseOffset
    this.nextOffset = nextOffset
    this.producerId = producerIdOf(records, start)
    this.producerEpoch = producerEpochOf(records, start)
    this.leaderEpoch = leaderEpochOf(records, start)
    this.kind = this.classify()
    return true
  }

  private classify(): ScannedKind {
    const { records, start } = this
    const pending = this.pending
    while (this.pendingIndex < pending.length && pending[this.pendingIndex]!.firstOffset < this.nextOffset) {
      this.abortedProducers.add(pending[this.pendingIndex++]!.producerId)
    }
    const attributes = attributesOf(records, start)
    if ((attributes & CONTROL_BIT) !== 0) {
      if (controlTypeOf(records, start) === 'abort') this.abortedProducers.delete(this.producerId)
      return 'control'
    }
    if ((attributes & TRANSACTIONAL_BIT) !== 0 && this.abortedProducers.has(this.producerId)) return 'aborted'
    return recordCountOf(records, start) === 0 ? 'empty' : 'data'
  }
}

const ABORT = 0
const COMMIT = 1
/** Key of a control record: version int16, type int16. */
const CONTROL_KEY_BYTES = 4

/**
 * What the control batch at `at` says. Only the control bit tells that a batch is one: a user's key may look alike.
 * Throws BATCH_CORRUPT for one that cannot be read; brokers never compress them.
 */
export function controlTypeOf(buffer: Buffer, at: number): ControlType {
  if (recordCountOf(buffer, at) === 0) return 'none'
  if ((attributesOf(buffer, at) & CODEC_MASK) !== 0) throw corrupt(buffer, at, 'compressed control batch')
  const end = batchEnd(buffer, at)
  const reader = new VarintReader(buffer, at + HEADER_BYTES, end)
  reader.readVarint() // length
  reader.position++ // attributes
  reader.readVarlong()
  reader.readVarint()
  const keyBytes = reader.readVarint()
  if (keyBytes < CONTROL_KEY_BYTES || reader.position + keyBytes > end)
    throw corrupt(buffer, at, 'control record without a type')
  const type = buffer.readInt16BE(reader.position + 2)
  if (type === ABORT) return 'abort'
  return type === COMMIT ? 'commit' : 'other'
}
