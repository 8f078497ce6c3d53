/** Records and bytes per second of one topic of a link, averaged over about ten seconds. */
const HALF_LIFE_MS = 5_000
const STEP_MS = 1_000

export interface Rate {
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
}

export class RateMeter {
  #records = 0
  #bytes = 0
  #sinceMs: number
  #rate: Rate = { recordsPerSecond: 0, bytesPerSecond: 0 }
  /** Bytes of a mean record so far, for lag in bytes. */
  #totalRecords = 0
  #totalBytes = 0

  constructor(nowMs: number) {
    this.#sinceMs = nowMs
  }

  add(records: number, bytes: number): void {
    this.#records += records
    this.#bytes += bytes
    this.#totalRecords += records
    this.#totalBytes += bytes
  }

  rate(nowMs: number): Rate {
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < STEP_MS) return this.#rate
    const keep = 0.5 ** (elapsedMs / HALF_LIFE_MS)
    const mix = (old: number, count: number) => old * keep + (count / elapsedMs) * 1000 * (1 - keep)
    this.#rate = {
      recordsPerSecond: mix(this.#rate.recordsPerSecond, this.#records),
      bytesPerSecond: mix(this.#rate.bytesPerSecond, this.#bytes),
    }
    this.#records = 0
    this.#bytes = 0
    this.#sinceMs = nowMs
    return this.#rate
  }

  meanRecordBytes(): number {
    return this.#totalRecords === 0 ? 0 : this.#totalBytes / this.#totalRecords
  }
}
