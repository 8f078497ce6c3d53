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
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
