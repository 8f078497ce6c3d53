import { TAKEOVERS_AT_ONCE } from './limits.ts'

/** Produce-ready bytes in flight, all partitions of this node together. */
export class InFlightBudget {
  readonly #maxBytes: number
  readonly #waiting = new Set<() => void>()
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** One reservation always fits when nothing is reserved, however large: progress before the limit. */
  reserve(bytes: number, wake: () => void): boolean {
    if (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#maxBytes) {
      this.#waiting.add(wake)
      return false
    }
    this.#usedBytes += bytes
    return true
  }

  unreserve(bytes: number): void {
    this.#usedBytes -= bytes
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}

/** A gate that lets at most TAKEOVERS_AT_ONCE through, in the order of asking. */
export function takeoverGate(): <T>(takeover: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = []
  let running = 0
  return async takeover => {
    // A slot that is handed over stays counted, so that nobody slips in between.
    if (running >= TAKEOVERS_AT_ONCE) await new Promise<void>(resolve => queue.push(resolve))
    else running++
    try {
      return await takeover()
    } finally {
      const next = queue.shift()
      if (next) next()
      else running--
    }
  }
}
