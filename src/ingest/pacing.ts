/** Pace of takeovers of one partition: 1, 2, 4 … 60 s between two, forgotten after a quiet minute (exactly-once.md 2). */
export const PACE_FIRST_MS = 1_000
export const PACE_MAX_MS = 60_000
export const PACE_QUIET_MS = 60_000

export interface Pace {
  /** Takeovers in a row; 0 = the next may begin at once. */
  readonly streak: number
  readonly lastBeganMs: number
}

export const unpaced: Pace = { streak: 0, lastBeganMs: Number.NEGATIVE_INFINITY }

/** How long to wait before the next takeover may begin. */
export function waitBeforeTakeoverMs(pace: Pace, nowMs: number): number {
  if (pace.streak === 0) return 0
  const gapMs = Math.min(PACE_MAX_MS, PACE_FIRST_MS * 2 ** (pace.streak - 1))
  return Math.max(0, pace.lastBeganMs + gapMs - nowMs)
}

/** A takeover begins now. `runningForMs`: how long the run before it went well. */
export function takeoverBegins(pace: Pace, nowMs: number, runningForMs: number): Pace {
  const streak = runningForMs >= PACE_QUIET_MS ? 1 : pace.streak + 1
  return { streak, lastBeganMs: nowMs }
}
