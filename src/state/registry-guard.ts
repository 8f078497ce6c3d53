import type { Clock } from '../component.ts'

const LOOK_EVERY_MS = 5_000

/** The registry's log as it is now. */
export interface RegistryLog {
  topicId(): Promise<string | undefined>
  endOffset(): Promise<number>
}

/** What is kept of the registry outside of it. */
export interface RegistryMark {
  readonly topicId: string
  /** Its log ended there, or beyond. */
  readonly end: number
}

/**
 * Notices that the registry was lost: another topic id, or an end that moved back. With it lost every replica would look
 * local and leave again, so nothing may leave this data center then.
 */
export class RegistryGuard {
  readonly #log: RegistryLog
  readonly #clock: Clock
  readonly #expectedTopicId: string
  readonly #remember: (end: number) => void
  readonly #onBroken: (why: string) => void
  readonly #stopped = new AbortController()
  #highestEnd: number
  #broken: string | undefined

  /** `expected` is what is remembered of the registry, also while all nodes are down; `remember` keeps its end. */
  constructor(
    log: RegistryLog,
    expected: RegistryMark,
    clock: Clock,
    onBroken: (why: string) => void,
    remember: (end: number) => void,
  ) {
    this.#log = log
    this.#highestEnd = expected.end
    this.#remember = remember
    this.#clock = clock
    this.#expectedTopicId = expected.topicId
    this.#onBroken = onBroken
  }

  /** Why the registry cannot be trusted any more; once broken it stays so until a restart. */
  broken(): string | undefined {
    return this.#broken
  }

  /** Looks once, and then every few seconds. Rejects only when the first look fails. */
  async start(): Promise<void> {
    await this.look()
    void this.#keepLooking()
  }

  stop(): void {
    this.#stopped.abort()
  }

  /** The table over the registry found that its log is another one. */
  lost(why: string): void {
    this.#break(why)
  }

  async look(): Promise<void> {
    const topicId = await this.#log.topicId()
    if (topicId !== this.#expectedTopicId)
      return this.#break(`__isthmus.registry is topic id ${topicId ?? 'none'}, it was ${this.#expectedTopicId}`)
    const end = await this.#log.endOffset()
    if (end < this.#highestEnd)
      return this.#break(`the end of __isthmus.registry moved back from ${this.#highestEnd} to ${end}`)
    if (end > this.#highestEnd) this.#remember(end)
    this.#highestEnd = end
  }

  async #keepLooking(): Promise<void> {
    while (!this.#stopped.signal.aborted && !this.#broken) {
      await this.#clock.sleep(LOOK_EVERY_MS, this.#stopped.signal)
      // A cluster that does not answer has lost nothing yet.
      if (!this.#stopped.signal.aborted) await this.look().catch(() => {})
    }
  }

  #break(why: string): void {
    if (this.#broken) return
    this.#broken = why
    this.#onBroken(why)
  }
}
