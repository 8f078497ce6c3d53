import type { Clock } from '../component.ts'

const LONGEST_WAIT_MS = 3_600_000

/** One waiter, many wakers; a wake that comes before the wait is not lost. */
export class Wakeup {
  #pending = false
  #resolve: (() => void) | undefined

  wake(): void {
    this.#pending = true
    this.#resolve?.()
  }

  /** Resolves at the next wake, or after `maxMs` (Infinity: looks again each hour, a timer has no longer reach). */
  async wait(clock: Clock, maxMs: number): Promise<void> {
    if (!this.#pending && maxMs > 0) {
      const timer = new AbortController()
      const woken = new Promise<void>(resolve => {
        this.#resolve = resolve
      })
      await Promise.race([woken, clock.sleep(Math.min(maxMs, LONGEST_WAIT_MS), timer.signal)])
      timer.abort()
    }
    this.#pending = false
    this.#resolve = undefined
  }
}
