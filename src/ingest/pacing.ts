/** Pace of takeovers of one partition: 1, 2, 4 … 60 s between two, forgotten after a quiet minute (exactly-once.md 2). */
export const PACE_FIRST_MS = 1_000
export const PACE_MAX_MS = 60_000
export const PACE_QUIET_MS = 60_000
/** Each pause is longer or shorter by up to this part of it: two rivals in step would fence each other for ever. */
export const PACE_JITTER = 0.25

export interface Pace {
  /** Takeovers in a row; 0 = the next may begin at once. */
  readonly streak: number
  /** Monotonic ms. */
  readonly nextMs: number
}

/** What the cluster does not allow is tried again: an ACL may have been added. */
export const DENIED_RETRY_MS = 60_000

export const unpaced: Pace = { streak: 0, nextMs: Number.NEGATIVE_INFINITY }

/** How long to wait before the next takeover may begin. */
export function waitBeforeTakeoverMs(pace: Pace, nowMs: number): number {
  return Math.max(0, pace.nextMs - nowMs)
}

/** A takeover begins now. `runningForMs`: how long the run before it went well; `random` is in [0, 1). */
export function takeoverBegins(pace: Pace, nowMs: number, runningForMs: number, random: number): Pace {
  const streak = runningForMs >= PACE_QUIET_MS ? 1 : pace.streak + 1
  const pauseMs = Math.min(PACE_MAX_MS, PACE_FIRST_MS * 2 ** (streak - 1))
  return { streak, nextMs: nowMs + pauseMs * (1 - PACE_JITTER + 2 * PACE_JITTER * random) }
}
