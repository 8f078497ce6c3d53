import type { Clock } from '../component.ts'
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

/** A fence that takes longer only waits, for a marker or a coordinator: others need not wait for it. */
const FENCE_SLOT_MS = 1_000

/**
 * Lets TAKEOVERS_AT_ONCE of this node's takeovers work at once, in the order of asking, over all links. Partitions whose
 * fence hangs, say below their min ISR, hold a slot for a second only and do not delay the others.
 */
export class TakeoverGate {
  readonly #clock: Clock
  readonly #queue: (() => void)[] = []
  #running = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The fence in its turn. It goes on when its slot is passed on. */
  async fence<T>(work: () => Promise<T>): Promise<T> {
    await this.#slot(turn => this.#queue.push(turn))
    const over = new AbortController()
    void this.#clock.sleep(FENCE_SLOT_MS, over.signal).then(() => this.#passOn())
    try {
      return await work()
    } finally {
      over.abort()
    }
  }

  /** Reads a log's end, before fences that wait: who has fenced shall write soon. Memory is held, so its slot is kept. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    await this.#slot(turn => this.#queue.unshift(turn))
    try {
      return await work()
    } finally {
      this.#passOn()
    }
  }

  async #slot(wait: (turn: () => void) => void): Promise<void> {
    // A slot that is handed over stays counted, so that nobody slips in between.
    if (this.#running >= TAKEOVERS_AT_ONCE) await new Promise<void>(wait)
    else this.#running++
  }

  #passOn(): void {
    const next = this.#queue.shift()
    if (next) next()
    else this.#running--
  }
}
