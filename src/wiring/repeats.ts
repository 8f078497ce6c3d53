/** The same again within this time is left out. */
const SAID_AGAIN_AFTER_MS = 10 * 60_000
/** Beyond it everything is forgotten, so that something is said early at worst. */
const REMEMBERED_MAX = 1_000

/** Keeps what goes on for hours (a peer that refuses us, records that come round) from filling the kept events. */
export class Repeats {
  readonly #nowMs: () => number
  readonly #said = new Map<string, { readonly what: string; readonly atMs: number }>()

  /** `nowMs` is monotonic. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Is this news about `subject`? */
  news(subject: string, what: string): boolean {
    const nowMs = this.#nowMs()
    const last = this.#said.get(subject)
    if (last?.what === what && nowMs - last.atMs < SAID_AGAIN_AFTER_MS) return false
    if (this.#said.size >= REMEMBERED_MAX) this.#said.clear()
    this.#said.set(subject, { what, atMs: nowMs })
    return true
  }
}
