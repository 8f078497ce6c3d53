/**
 * Credit in batch bytes, absolute and monotone, per lane: how much the source may have sent since the session began.
 * Both ends keep one ledger. Because a grant is a total, a lost, repeated or late grant does no harm.
 * A frame may start while less than the credit is used, so a batch larger than what is left still passes; a lane
 * therefore holds at most its credit and one frame (or one continued batch).
 */
export class CreditLedger {
  readonly #lanes = new Map<number, { granted: number; used: number }>()

  /** Raises the total of a lane; true when that allows more than before. Lower and equal totals are old news. */
  grant(lane: number, absoluteBytes: number): boolean {
    const credit = this.#lane(lane)
    if (absoluteBytes <= credit.granted) return false
    credit.granted = absoluteBytes
    return true
  }

  use(lane: number, bytes: number): void {
    this.#lane(lane).used += bytes
  }

  /** May a frame of this lane start? */
  allows(lane: number): boolean {
    return this.availableBytes(lane) > 0
  }

  /** What is left of the lane's credit, never below 0. */
  availableBytes(lane: number): number {
    const credit = this.#lanes.get(lane)
    return credit === undefined ? 0 : Math.max(0, credit.granted - credit.used)
  }

  usedBytes(lane: number): number {
    return this.#lanes.get(lane)?.used ?? 0
  }

  grantedBytes(lane: number): number {
    return this.#lanes.get(lane)?.granted ?? 0
  }

  /** Lanes that were ever named: the caller bounds them. */
  get lanes(): number {
    return this.#lanes.size
  }

  has(lane: number): boolean {
    return this.#lanes.has(lane)
  }

  #lane(lane: number): { granted: number; used: number } {
    let credit = this.#lanes.get(lane)
    if (credit === undefined) {
      credit = { granted: 0, used: 0 }
      this.#lanes.set(lane, credit)
    }
    return credit
  }
}
