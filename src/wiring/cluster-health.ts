import type { Clock, Component } from '../component.ts'
import { messageOf } from '../errors.ts'
import type { EventLog } from '../telemetry/events.ts'
import { lookEvery } from './look-every.ts'

/** The catalog asks every 2 s: so many failures in a row are no hiccup. */
const SILENT_AFTER_MS = 10_000
const LOOK_EVERY_MS = 1_000

/** Whether the local cluster answers: requests that fail count, whatever the sockets say. */
export class ClusterHealth implements Component {
  readonly name = 'cluster health'
  readonly #clock: Clock
  readonly #events: EventLog
  readonly #looking: Component
  #answeredMs: number
  #failure = 'requests are not answered'
  #told = false

  constructor(clock: Clock, events: EventLog) {
    this.#clock = clock
    this.#events = events
    this.#answeredMs = clock.monotonicMs()
    this.#looking = lookEvery(this.name, clock, LOOK_EVERY_MS, async () => this.#look())
  }

  /** A request that is repeated every few seconds; what it answers says how the cluster is. */
  async watch<T>(request: Promise<T>): Promise<T> {
    try {
      const answer = await request
      this.#answeredMs = this.#clock.monotonicMs()
      return answer
    } catch (error) {
      this.#failure = messageOf(error)
      throw error
    }
  }

  /** Why the cluster counts as unreachable; undefined: it answers. */
  problem(): string | undefined {
    const silentMs = this.#clock.monotonicMs() - this.#answeredMs
    if (silentMs < SILENT_AFTER_MS) return undefined
    return `no answer for ${Math.round(silentMs / 1000)} s: ${this.#failure}`
  }

  start(): Promise<void> {
    return this.#looking.start()
  }

  stop(deadlineMs: number): Promise<void> {
    return this.#looking.stop(deadlineMs)
  }

  #look(): void {
    const problem = this.problem()
    if (problem !== undefined && !this.#told) this.#events.record('cluster-unreachable', problem)
    if (problem === undefined && this.#told) this.#events.record('cluster-back', 'the local cluster answers again')
    this.#told = problem !== undefined
  }
}
