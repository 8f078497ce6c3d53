/** What is known of a session when it is asked whether it still works. Times are monotonic ms. */
export interface Signs {
  /** Last message of any kind from the peer. */
  readonly lastReceivedMs: number
  /** When the oldest ping without an answer was sent; undefined: all are answered. */
  readonly unansweredPingMs: number | undefined
  /** Ingest waits for something (LinkProgress). */
  readonly outstanding: boolean
  /** When what ingest waits for last moved. */
  readonly lastMovedMs: number
  readonly nowMs: number
  readonly stalledAfterMs: number
}

/**
 * Why a session counts as standing still, in words; undefined while it does not. A thin path may take seconds for one
 * frame, in front of the answer to a ping: so silence is measured from the last message of any kind.
 */
export function standstill(signs: Signs): string | undefined {
  const { nowMs, stalledAfterMs } = signs
  if (signs.unansweredPingMs !== undefined) {
    const silentMs = nowMs - Math.max(signs.lastReceivedMs, signs.unansweredPingMs)
    if (silentMs >= stalledAfterMs) return `no answer for ${seconds(silentMs)}`
  }
  const stillMs = nowMs - signs.lastMovedMs
  if (signs.outstanding && stillMs >= stalledAfterMs)
    return `nothing of what was asked for moved for ${seconds(stillMs)}`
  return undefined
}

/** Did a new session prove that it works: something moved, or it has been quiet with nothing owed for long enough? */
export function proves(signs: Signs, upSinceMs: number, quietMs: number): boolean {
  if (signs.lastMovedMs > upSinceMs) return true
  const answered = signs.lastReceivedMs > upSinceMs && signs.unansweredPingMs === undefined
  return !signs.outstanding && answered && signs.nowMs - upSinceMs >= quietMs
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
