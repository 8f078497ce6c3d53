import type { Clock } from '../component.ts'

/**
 * One waiter, many wakers; a wake that comes before the wait is not lost. Waits share one timer as long as it rings in
 * time, since a wait per batch would otherwise cost a timer per batch: a waiter may be woken early and looks again.
 */
export class Wakeup {
  #pending = false
  #resolve: (() => void) | undefined
  #alarm: { readonly dueMs: number; readonly off: AbortController } | undefined

  wake(): void {
    this.#pending = true
    this.#resolve?.()
  }

  /** Resolves at the next wake, or after at most `maxMs` (Infinity: at the next wake only). */
  async wait(clock: Clock, maxMs: number): Promise<void> {
    if (!this.#pending && maxMs > 0) {
      const woken = new Promise<void>(resolve => {
        this.#resolve = resolve
      })
      this.#ringBy(clock, clock.monotonicMs() + maxMs)
      await woken
    }
    this.#pending = false
    this.#resolve = undefined
  }

  /** No timer is left behind. */
  dispose(): void {
    this.#alarm?.off.abort()
    this.#alarm = undefined
  }

  #ringBy(clock: Clock, dueMs: number): void {
    if (dueMs === Number.POSITIVE_INFINITY || (this.#alarm && this.#alarm.dueMs <= dueMs)) return
    this.#alarm?.off.abort()
    const alarm = { dueMs, off: new AbortController() }
    this.#alarm = alarm
    void clock.sleep(dueMs - clock.monotonicMs(), alarm.off.signal).then(() => {
      if (this.#alarm !== alarm) return
      this.#alarm = undefined
      this.wake()
    })
  }
}
