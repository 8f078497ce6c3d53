import type { Clock } from '../../../src/component.ts'
import { type VirtualTime, wallMs } from './virtual-time.ts'

type Life = 'running' | 'stopped' | 'dead'

/**
 * A process of the gateway. Its code runs only in reaction to something that reaches it: a timer, an answer, a frame.
 * All of these come through `reach`, so killing it (nothing reaches it ever again) and stopping it (SIGSTOP: everything
 * waits until it goes on) are complete. What it sent before is on its way and will arrive.
 */
export class SimulatedProcess {
  readonly name: string
  readonly clock: Clock
  readonly #time: VirtualTime
  #life: Life = 'running'
  #waiting: (() => void)[] = []
  readonly #onDeath: (() => void)[] = []
  readonly #onResume: ((stoppedMs: number) => void)[] = []
  #stoppedAtMs = 0

  constructor(name: string, time: VirtualTime, wallSkewMs = 0) {
    this.name = name
    this.#time = time
    this.clock = {
      nowMs: () => wallMs(time) + wallSkewMs,
      monotonicMs: () => time.nowMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    }
  }

  get life(): Life {
    return this.#life
  }

  /** Something comes to this process. */
  reach(run: () => void): void {
    if (this.#life === 'running') run()
    else if (this.#life === 'stopped') this.#waiting.push(run)
  }

  /** kill -9. */
  kill(): void {
    this.#life = 'dead'
    this.#waiting = []
    for (const listener of this.#onDeath.splice(0)) listener()
  }

  /** SIGSTOP now, SIGCONT after `ms`. */
  stopFor(ms: number): void {
    if (this.#life !== 'running') return
    this.#life = 'stopped'
    this.#stoppedAtMs = this.#time.nowMs
    this.#time.after(ms, () => this.#goOn())
  }

  /** What the world does when this process dies: its sockets are closed by the kernel. */
  onDeath(listener: () => void): void {
    this.#onDeath.push(listener)
  }

  /** It notices on its monotonic clock that it stood still. */
  onResume(listener: (stoppedMs: number) => void): void {
    this.#onResume.push(listener)
  }

  #goOn(): void {
    if (this.#life !== 'stopped') return
    this.#life = 'running'
    for (const listener of this.#onResume) listener(this.#time.nowMs - this.#stoppedAtMs)
    // one by one in virtual time, so that a kill or another stop in between counts
    const waiting = this.#waiting.splice(0)
    for (const run of waiting) this.#time.after(0, () => this.reach(run))
  }

  /** Resolves when it is cancelled, too, as the real clock's does. */
  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const end = (): void => {
        cancel()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#time.after(ms, () => this.reach(end))
      if (signal?.aborted) end()
      else signal?.addEventListener('abort', end)
    })
  }
}
