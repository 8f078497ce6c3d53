import { recordCountOf } from '../record/batch.ts'
import type { CommittedScan } from '../record/committed-scan.ts'
import type { EgressObserver, PassedOverReason } from './ports.ts'

const REASONS = ['aborted', 'control', 'foreign', 'repeated'] as const satisfies readonly PassedOverReason[]

/**
 * Counts what one channel reads and does not send. Each batch counts once, also where the log is read again (after a
 * shed, or when the registry had to be asked). Adds numbers only: it runs for each batch.
 */
export class PassedOver {
  /** Local offset up to which everything was counted. */
  #countedTo = -1
  readonly #records: Record<PassedOverReason, number> = { aborted: 0, control: 0, foreign: 0, repeated: 0 }

  /** The batch at which the scan stands. */
  count(scan: CommittedScan, records: Buffer, reason: PassedOverReason): void {
    if (scan.nextOffset <= this.#countedTo) return
    this.#countedTo = scan.nextOffset
    this.#records[reason] += recordCountOf(records, scan.start)
  }

  /** Tells what was counted since the last time. */
  tell(observer: EgressObserver, origin: string, peer: string): void {
    for (const reason of REASONS) {
      const records = this.#records[reason]
      if (records === 0) continue
      this.#records[reason] = 0
      observer.passedOver(origin, peer, reason, records)
    }
  }
}
