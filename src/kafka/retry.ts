import { KafkaFailure } from './failure.ts'

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 500

export interface RetryOptions {
  /** No new attempt begins later than this after the first. */
  readonly withinMs: number
  /** The operation only reads, or may be repeated without harm: ambiguous outcomes are repeated too. */
  readonly repeatable: boolean
  /** Before each repetition: look up what chose the wrong broker. */
  readonly refresh?: (failure: KafkaFailure) => Promise<void> | void
}

/** Repeats `attempt` while its failure says that this is right; rejects with the last failure. */
export async function retry<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + options.withinMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof KafkaFailure) || performance.now() + pauseMs > deadlineMs) throw error
      const again = error.kind === 'retriable' || (error.kind === 'ambiguous' && options.repeatable)
      // A pause of the process ends everything of before, whatever it was.
      if (!again || error.code === 'PROCESS_PAUSED') throw error
      await new Promise(resolve => setTimeout(resolve, pauseMs))
      // The next attempt meets what kept the refresh from succeeding.
      if (error.refresh) await Promise.resolve(options.refresh?.(error)).catch(() => undefined)
    }
  }
}
