import type { ClusterTargetLog } from '../../src/kafka/target-log.ts'
import type { TopicPartition } from '../../src/kafka/types.ts'
import { batchEnd, isControl, isTransactional, nextOffsetOf, producerIdOf } from '../../src/record/batch.ts'
import { controlTypeOf } from '../../src/record/committed-scan.ts'
import { iterateRecords } from '../../src/record/records.ts'
import { type LedgerEntry, ledgerEntry } from './ledger-entry.ts'

const READ_BYTES = 8 * 1024 * 1024
const READ_WAIT_MS = 100

/**
 * Reads one partition from a start to its end, over and over, and keeps what was committed. Everything is read
 * uncommitted and judged by the markers that stand in the log itself: not by the filter that the gateway uses.
 */
export class LedgerLogReader {
  readonly entries: LedgerEntry[] = []
  private readonly log: ClusterTargetLog
  private readonly at: TopicPartition
  private next: number | undefined
  /** Records of open transactions, by producerId. */
  private readonly open = new Map<number, LedgerEntry[]>()

  constructor(log: ClusterTargetLog, at: TopicPartition, from?: number) {
    this.log = log
    this.at = at
    this.next = from
  }

  /** Where the next record will be read; undefined before the first `advance`. */
  get position(): number | undefined {
    return this.next
  }

  get openTransactions(): number {
    return this.open.size
  }

  /** Reads up to the end of the log as it is now. A partition that does not exist (yet) holds nothing. */
  async advance(): Promise<void> {
    const { logStartOffset, endOffset } = await this.log.offsets(this.at)
    this.next = Math.max(this.next ?? 0, logStartOffset)
    while (this.next < endOffset) {
      const fetched = await this.log.read(this.at, this.next, READ_BYTES, READ_WAIT_MS)
      try {
        if (fetched.records.length > 0) this.take(fetched.records, this.next)
      } finally {
        fetched.release()
      }
    }
    // A transaction's records count where they stand, but are known to count only at its end.
    this.entries.sort((left, right) => left.offset - right.offset)
  }

  private take(records: Buffer, from: number): void {
    for (let at = 0, end = batchEnd(records, 0); end > 0; at = end, end = batchEnd(records, end)) {
      const next = nextOffsetOf(records, at)
      if (next <= from) continue
      this.next = next
      const producerId = producerIdOf(records, at)
      if (isControl(records, at)) this.endTransaction(producerId, controlTypeOf(records, at))
      else this.keep(records.subarray(at, end), from, isTransactional(records, at) ? producerId : undefined)
    }
  }

  private endTransaction(producerId: number, kind: ReturnType<typeof controlTypeOf>): void {
    const records = this.open.get(producerId)
    this.open.delete(producerId)
    if (kind === 'commit' && records !== undefined) this.entries.push(...records)
  }

  private keep(batch: Buffer, from: number, producerId: number | undefined): void {
    const into = producerId === undefined ? this.entries : this.open.getOrInsertComputed(producerId, () => [])
    for (const record of iterateRecords(batch)) {
      if (record.offset >= from) into.push(ledgerEntry(this.at.topic, record))
    }
  }
}
