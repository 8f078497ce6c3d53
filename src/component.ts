/** A part of the gateway with a beginning and an end. Started in order, stopped in reverse. */
export interface Component {
  readonly name: string
  start(): Promise<void>
  /** Gives up within `deadlineMs`; must be safe to call after a failed start, and twice. */
  stop(deadlineMs: number): Promise<void>
}

/** Time as the rooms see it. The simulation passes a clock of its own. */
export interface Clock {
  /** Wall clock, Unix ms. For stamps that others read; it may jump. */
  nowMs(): number
  /** Monotonic, ms. For every wait and limit. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The real clock. `sleep` resolves early, and never rejects, when its signal aborts. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done)
    }),
}
