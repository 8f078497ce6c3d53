import type { Clock, Component } from '../component.ts'

/** Looks again and again while the node runs, `everyMs` after the last look ended. What `look` rejects with is left to the next. */
export function lookEvery(name: string, clock: Clock, everyMs: number, look: () => Promise<void>): Component {
  const stopped = new AbortController()
  const keepLooking = async () => {
    while (!stopped.signal.aborted) {
      await look().catch(() => {})
      await clock.sleep(everyMs, stopped.signal)
    }
  }
  return {
    name,
    start: async () => void keepLooking(),
    stop: async () => stopped.abort(),
  }
}
