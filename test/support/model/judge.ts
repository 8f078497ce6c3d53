import { recordsOf } from './batch-bytes.ts'
import type { ModelPartition, StoredBatch } from './partition.ts'
import type { SourceRecord } from './source-log.ts'

export type Isolation = 'read_uncommitted' | 'read_committed'

/**
 * The ledger of a simulated run: at every moment the readable target log must be a prefix of what the origin gave, each
 * record once and in order, and what was acknowledged to the source must be in it. Reads with code of its own.
 */
export class Judge {
  readonly #expected: readonly SourceRecord[]
  readonly #isolation: Isolation
  readonly #values = new WeakMap<StoredBatch, readonly string[]>()
  /** First thing that was wrong, in words. */
  violation: string | undefined
  present = 0
  /** What stood there at some moment: an unclean election may take it back after it was acknowledged. */
  #most = 0

  constructor(expected: readonly SourceRecord[], isolation: Isolation) {
    this.#expected = expected
    this.#isolation = isolation
  }

  get complete(): boolean {
    return this.violation === undefined && this.present === this.#expected.length
  }

  look(at: ModelPartition): void {
    if (this.violation !== undefined) return
    const values = this.#isolation === 'read_committed' ? this.#committed(at) : this.#readable(at)
    for (let i = 0; i < values.length; i++) {
      const expected = this.#expected[i]?.value ?? 'nothing'
      if (values[i] === expected) continue
      this.violation = `record ${i} of the target is ${values[i]}, expected ${expected}: …${values.slice(Math.max(0, i - 4), i + 3).join(' ')}…`
      return
    }
    this.present = values.length
    this.#most = Math.max(this.#most, values.length)
  }

  /** The source was told that everything below `next` is safe. */
  acked(next: number, at: ModelPartition): void {
    this.look(at)
    const safe = this.#expected.findIndex(record => record.offset >= next)
    const owed = safe < 0 ? this.#expected.length : safe
    if (this.violation === undefined && this.#most < owed)
      this.violation = `acked below origin offset ${next}, which are ${owed} records; the target never had more than ${this.#most}`
  }

  #readable(at: ModelPartition): string[] {
    return at.log.filter(batch => batch.facts.lastOffset < at.highWatermark).flatMap(batch => this.#valuesOf(batch))
  }

  /** As a consumer with read_committed: up to the last stable offset, without aborted transactions. */
  #committed(at: ModelPartition): string[] {
    const end = at.lastStableOffset
    const aborted = new Set<StoredBatch>()
    const open = new Map<number, StoredBatch[]>()
    for (const batch of at.log) {
      const { producerId, transactional, control } = batch.facts
      if (control) {
        if (batch.commit === false) for (const one of open.get(producerId) ?? []) aborted.add(one)
        open.delete(producerId)
      } else if (transactional) open.set(producerId, [...(open.get(producerId) ?? []), batch])
    }
    return at.log
      .filter(batch => batch.facts.lastOffset < end && !aborted.has(batch))
      .flatMap(batch => this.#valuesOf(batch))
  }

  /** Only what was replicated: applications of the target may write there too. */
  #valuesOf(batch: StoredBatch): readonly string[] {
    if (batch.facts.control) return []
    let values = this.#values.get(batch)
    if (values === undefined) {
      values = recordsOf(batch.bytes)
        .map(record => record.value?.toString() ?? '')
        .filter(value => value.startsWith('r'))
      this.#values.set(batch, values)
    }
    return values
  }
}
