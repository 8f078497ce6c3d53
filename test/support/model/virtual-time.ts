/** One thing that will happen. Ties are broken by the order of scheduling. */
interface Happening {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

/** 2026-01-01T00:00:00Z: where wall clocks of simulated runs begin. */
export const SIMULATION_EPOCH_MS = Date.UTC(2026, 0, 1)

/** The true wall clock, Unix ms: the brokers'. */
export function wallMs(time: VirtualTime): number {
  return SIMULATION_EPOCH_MS + Math.floor(time.nowMs)
}

export type Cancel = () => void

/**
 * Owns all pending happenings of a simulated run. Time jumps from one to the next; between two, every promise that can
 * go on has gone on: `setImmediate` fires only when the microtask queue is empty.
 */
export class VirtualTime {
  nowMs = 0
  /** Happenings so far: a measure of how much a run did. */
  steps = 0
  readonly #heap: Happening[] = []
  #order = 0

  /** Runs `run` when `delayMs` have passed. */
  after(delayMs: number, run: () => void): Cancel {
    const happening: Happening = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run,
      cancelled: false,
    }
    this.#push(happening)
    return () => {
      happening.cancelled = true
    }
  }

  /** Goes on until `done` (true), or until `limitMs` (false). */
  async run(done: () => boolean, limitMs: number): Promise<boolean> {
    await settled()
    while (!done()) {
      if (this.#heap[0] === undefined || this.#heap[0].atMs > limitMs) {
        this.nowMs = Math.max(this.nowMs, limitMs)
        return false
      }
      const next = this.#pop()!
      if (next.cancelled) continue
      this.nowMs = next.atMs
      this.steps++
      next.run()
      await settled()
    }
    return true
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    heap.push(happening)
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(heap[at]!, heap[parent]!)) return
      swap(heap, at, parent)
      at = parent
    }
  }

  #pop(): Happening | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || heap.length === 0) return first
    heap[0] = last!
    let at = 0
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child
      if (least === at) return first
      swap(heap, at, least)
      at = least
    }
  }
}

function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order
}

function swap(heap: Happening[], a: number, b: number): void {
  const kept = heap[a]!
  heap[a] = heap[b]!
  heap[b] = kept
}
