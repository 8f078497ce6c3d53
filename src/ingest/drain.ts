import type { Clock } from '../component.ts'

/** Kept of a deadline for the last checkpoint, after what is in flight was given up. */
const LAST_CHECKPOINT_MS = 1_000

/**
 * Resolves with `life`, or after `deadlineMs` without it (Infinity: never). A second before that `giveUp` is called, so
 * that what only waits for answers can end in order.
 */
export async function endsWithin(
  clock: Clock,
  deadlineMs: number,
  life: Promise<void>,
  giveUp: () => void,
): Promise<void> {
  if (deadlineMs === Number.POSITIVE_INFINITY) return await life
  const ended = new AbortController()
  const late = async () => {
    await clock.sleep(Math.max(0, deadlineMs - LAST_CHECKPOINT_MS), ended.signal)
    if (ended.signal.aborted) return
    giveUp()
    await clock.sleep(Math.min(deadlineMs, LAST_CHECKPOINT_MS), ended.signal)
  }
  await Promise.race([life, late()])
  ended.abort()
}
