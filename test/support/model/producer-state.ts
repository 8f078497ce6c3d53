import type { BatchFacts } from './batch-bytes.ts'

/** What a partition remembers of one producerId (`ProducerStateEntry`). */
export interface ProducerEntry {
  epoch: number
  /** The last batches of this epoch, oldest first: repeats of them are recognised. */
  batches: { readonly firstSequence: number; readonly lastSequence: number; readonly baseOffset: number }[]
  /** Of the last data batch or marker: state expires by it (F9, F11). */
  lastTimestampMs: number
  /** -1: none. */
  txnStartOffset: number
}

/** `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`. */
const BATCHES_REMEMBERED = 5
const NO_SEQUENCE = -1

export type AppendRefusal = 'INVALID_PRODUCER_EPOCH' | 'OUT_OF_ORDER_SEQUENCE_NUMBER' | 'INVALID_TXN_STATE'

export type AppendVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'repeat'; readonly baseOffset: number }
  | { readonly kind: 'refuse'; readonly code: AppendRefusal }

export interface LogBatch {
  readonly facts: BatchFacts
  /** Set for control batches: how the transaction ended. */
  readonly commit?: boolean
}

export function lastSequenceOf(entry: ProducerEntry): number {
  return entry.batches.at(-1)?.lastSequence ?? NO_SEQUENCE
}

/** `ProducerAppendInfo` and `ProducerStateManager` of one partition. */
export class ProducerStates {
  #entries = new Map<number, ProducerEntry>()

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId)
  }

  /** Offset of the first record of any open transaction; undefined: none. */
  firstUnstableOffset(): number | undefined {
    let first: number | undefined
    for (const entry of this.#entries.values())
      if (entry.txnStartOffset >= 0 && (first === undefined || entry.txnStartOffset < first))
        first = entry.txnStartOffset
    return first
  }

  /** F1, F13, F17, F18. `ongoing`: the coordinator says that this partition is in an ongoing transaction of the writer. */
  judge(batch: BatchFacts, ongoing: () => boolean): AppendVerdict {
    const entry = this.#entries.get(batch.producerId)
    const repeat =
      entry?.epoch === batch.producerEpoch
        ? entry.batches.find(b => b.firstSequence === batch.firstSequence && b.lastSequence === batch.lastSequence)
        : undefined
    if (repeat !== undefined) return { kind: 'repeat', baseOffset: repeat.baseOffset }
    if (batch.transactional && (entry === undefined || entry.txnStartOffset < 0) && !ongoing())
      return { kind: 'refuse', code: 'INVALID_TXN_STATE' }
    if (!batch.transactional && entry !== undefined && entry.txnStartOffset >= 0)
      return { kind: 'refuse', code: 'INVALID_TXN_STATE' }
    // no state at all: any sequence of any epoch is taken (F13)
    if (entry === undefined) return { kind: 'append' }
    if (batch.producerEpoch < entry.epoch) return { kind: 'refuse', code: 'INVALID_PRODUCER_EPOCH' }
    const expected = batch.producerEpoch > entry.epoch ? 0 : (lastSequenceOf(entry) + 1) % 2 ** 31
    if (batch.firstSequence !== expected) return { kind: 'refuse', code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }
    return { kind: 'append' }
  }

  /** A marker of a lower epoch is refused; of the running one it is taken, however old it is (F14). */
  acceptsMarker(producerId: number, epoch: number): boolean {
    const entry = this.#entries.get(producerId)
    return entry === undefined || epoch >= entry.epoch
  }

  /** Follows a batch into the log. */
  learn(batch: LogBatch): void {
    const { facts } = batch
    if (facts.producerId < 0) return
    let entry = this.#entries.get(facts.producerId)
    if (entry === undefined || entry.epoch !== facts.producerEpoch) {
      entry = {
        epoch: facts.producerEpoch,
        batches: [],
        lastTimestampMs: 0,
        txnStartOffset: entry?.txnStartOffset ?? -1,
      }
      this.#entries.set(facts.producerId, entry)
    }
    entry.lastTimestampMs = facts.maxTimestampMs
    if (facts.control) {
      entry.txnStartOffset = -1
      return
    }
    entry.batches.push({
      firstSequence: facts.firstSequence,
      lastSequence: facts.lastSequence,
      baseOffset: facts.baseOffset,
    })
    if (entry.batches.length > BATCHES_REMEMBERED) entry.batches.shift()
    if (facts.transactional && entry.txnStartOffset < 0) entry.txnStartOffset = facts.baseOffset
  }

  /** F9: by the timestamps of the data, not by when it came. An open transaction keeps the state (F11). */
  expire(beforeMs: number): void {
    for (const [producerId, entry] of this.#entries)
      if (entry.txnStartOffset < 0 && entry.lastTimestampMs < beforeMs) this.#entries.delete(producerId)
  }

  /** What a new leader knows: from the log it has, and of each producer only the last batch (snapshots keep no more). */
  rebuild(log: readonly LogBatch[]): void {
    this.#entries = new Map()
    for (const batch of log) this.learn(batch)
    for (const entry of this.#entries.values()) entry.batches = entry.batches.slice(-1)
  }
}
