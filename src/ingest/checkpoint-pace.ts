import type { Clock } from '../component.ts'
import { CHECKPOINT_EVERY_BYTES, CHECKPOINT_EVERY_MS } from './limits.ts'
import type { Checkpoint } from './ports.ts'

/** Saves one partition's checkpoints about once a second or per 64 MiB, one at a time, the latest wins. */
export class CheckpointPace {
  readonly #clock: Clock
  readonly #save: (checkpoint: Checkpoint) => Promise<void>
  #dirtyBytes: number | undefined
  #savedAtMs = Number.NEGATIVE_INFINITY
  #saving: Promise<void> | undefined

  constructor(clock: Clock, save: (checkpoint: Checkpoint) => Promise<void>) {
    this.#clock = clock
    this.#save = save
  }

  /** Something worth saving happened; `bytes` were written by it. */
  moved(bytes: number): void {
    this.#dirtyBytes = (this.#dirtyBytes ?? 0) + bytes
  }

  /** Saves when it is time; `current` is asked only then. A failed save is tried again at the next turn. */
  saveWhenDue(current: () => Checkpoint, done: () => void): void {
    if (this.#saving || this.dueInMs() > 0) return
    this.#dirtyBytes = undefined
    this.#savedAtMs = this.#clock.monotonicMs()
    this.#saving = this.#save(current())
      .catch(() => this.moved(0))
      .finally(() => {
        this.#saving = undefined
        done()
      })
  }

  /** Infinite while nothing is to be saved. */
  dueInMs(): number {
    if (this.#dirtyBytes === undefined || this.#saving) return Number.POSITIVE_INFINITY
    if (this.#dirtyBytes >= CHECKPOINT_EVERY_BYTES) return 0
    return Math.max(0, this.#savedAtMs + CHECKPOINT_EVERY_MS - this.#clock.monotonicMs())
  }

  /** Saves now and waits for it: at takeover, before a move of the standing, at the end. Rejects when it is not durable. */
  async saveNow(checkpoint: Checkpoint): Promise<void> {
    await this.#saving
    this.#dirtyBytes = undefined
    this.#savedAtMs = this.#clock.monotonicMs()
    await this.#save(checkpoint)
  }
}
