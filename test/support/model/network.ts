import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface NetworkFaults {
  readonly maxDelayMs: number
  /** A request stays on its way for up to `slowMaxMs`, and with it all behind it on its connection. */
  readonly slowChance: number
  readonly slowMaxMs: number
  /** The connection breaks while the answer is on its way: done, and nobody knows. */
  readonly lostAnswerChance: number
  /** The connection breaks for the client at once, but what was sent still arrives: a late packet. */
  readonly brokenChance: number
  /** The connection breaks and takes the request with it. */
  readonly lostRequestChance: number
}

export const CALM_NETWORK: NetworkFaults = {
  maxDelayMs: 3,
  slowChance: 0,
  slowMaxMs: 0,
  lostAnswerChance: 0,
  brokenChance: 0,
  lostRequestChance: 0,
}

export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'failure'; readonly failure: KafkaFailure }

interface Outstanding {
  fail(failure: KafkaFailure): void
}

/**
 * One TCP connection of a process to a broker, re-dialled when it breaks. In order both ways. Requests that were sent
 * before a break, or before the process died, may still arrive; their answers reach nobody.
 */
export class ModelConnection {
  /** Raised at each re-dial. */
  generation = 0
  readonly #process: SimulatedProcess
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #faults: () => NetworkFaults
  #outstanding = new Set<Outstanding>()
  #lastArrivalMs = 0
  #lastAnswerMs = 0

  constructor(process: SimulatedProcess, time: VirtualTime, random: Random, faults: () => NetworkFaults) {
    this.#process = process
    this.#time = time
    this.#random = random
    this.#faults = faults
  }

  /** `serve` runs at the broker when the request arrives, and answers when it can. */
  request<T>(timeoutMs: number, serve: (answer: (given: Answer<T>) => void) => void): Promise<T> {
    const faults = this.#faults()
    return new Promise((resolve, reject) => {
      const generation = this.generation
      const outstanding: Outstanding = { fail: failure => settle(() => reject(failure)) }
      const settle = (run: () => void): void => {
        if (!this.#outstanding.delete(outstanding)) return
        cancelTimeout()
        this.#process.reach(run)
      }
      this.#outstanding.add(outstanding)
      const cancelTimeout = this.#time.after(timeoutMs, () => this.#break(generation, 'REQUEST_TIMED_OUT_LOCALLY'))
      const answer = (given: Answer<T>): void => {
        if (this.#random.chance(faults.lostAnswerChance)) {
          this.#time.after(this.#random.next() * faults.maxDelayMs, () => this.#break(generation, 'CONNECTION_LOST'))
          return
        }
        this.#lastAnswerMs = Math.max(this.#lastAnswerMs, this.#time.nowMs + this.#random.next() * faults.maxDelayMs)
        this.#time.after(this.#lastAnswerMs - this.#time.nowMs, () => {
          if (this.generation !== generation) return
          settle(given.kind === 'ok' ? () => resolve(given.value) : () => reject(given.failure))
        })
      }
      this.#send(generation, faults, () => serve(answer))
    })
  }

  /** The client closes it: whatever is outstanding is in doubt. */
  close(): void {
    this.#break(this.generation, 'CONNECTION_LOST')
  }

  #send(generation: number, faults: NetworkFaults, arrive: () => void): void {
    const slowMs = this.#random.chance(faults.slowChance) ? this.#random.next() * faults.slowMaxMs : 0
    const arrivalMs = this.#time.nowMs + this.#random.next() * faults.maxDelayMs + slowMs
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs)
    const inMs = this.#lastArrivalMs - this.#time.nowMs
    if (this.#random.chance(faults.lostRequestChance)) {
      this.#time.after(inMs, () => this.#break(generation, 'CONNECTION_LOST'))
      return
    }
    this.#time.after(inMs, arrive)
    if (this.#random.chance(faults.brokenChance))
      this.#time.after(this.#random.next() * inMs, () => this.#break(generation, 'CONNECTION_LOST'))
  }

  #break(generation: number, code: string): void {
    if (this.generation !== generation) return
    this.generation++
    this.#lastArrivalMs = 0
    this.#lastAnswerMs = 0
    const lost = [...this.#outstanding]
    for (const one of lost) one.fail(new KafkaFailure('ambiguous', code, 'simulated'))
  }
}
