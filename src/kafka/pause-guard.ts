/**
 * Notices that this process stood still (SIGSTOP, a paused VM): while it did, another node may have taken its
 * partitions over, so what it was about to write must not be written (exactly-once.md 2.6).
 */

/** The tick that proves that the event loop runs. */
export const TICK_MS = 1_000
/** A gap of this length since the last tick counts as a pause. */
export const MAX_GAP_MS = 30_000

export class PauseGuard {
  private lastTickMs: number
  private readonly monotonicMs: () => number
  private readonly timer: NodeJS.Timeout
  private readonly pauseListeners = new Set<(gapMs: number) => void>()
  private readonly tickListeners = new Set<(nowMs: number) => void>()

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.monotonicMs = monotonicMs
    this.lastTickMs = monotonicMs()
    this.timer = setInterval(() => this.tick(), TICK_MS)
    this.timer.unref()
  }

  /** Before each socket write. True: the process runs on time. False: it stood still, and `onPause` listeners have been told. */
  check(): boolean {
    const gapMs = this.monotonicMs() - this.lastTickMs
    if (gapMs <= MAX_GAP_MS) return true
    // From now on the gap counts as seen: connections made after it are new ones.
    this.lastTickMs = this.monotonicMs()
    for (const listener of this.pauseListeners) listener(gapMs)
    return false
  }

  onPause(listener: (gapMs: number) => void): () => void {
    this.pauseListeners.add(listener)
    return () => this.pauseListeners.delete(listener)
  }

  /** Once a second; also the clock of request time-outs, so that no request needs a timer of its own. */
  onTick(listener: (nowMs: number) => void): () => void {
    this.tickListeners.add(listener)
    return () => this.tickListeners.delete(listener)
  }

  /** Also called by its own timer: after SIGCONT the timer may run before any write does. */
  tick(): void {
    this.check()
    this.lastTickMs = this.monotonicMs()
    for (const listener of this.tickListeners) listener(this.lastTickMs)
  }

  close(): void {
    clearInterval(this.timer)
    this.pauseListeners.clear()
    this.tickListeners.clear()
  }
}
