import CircuitBreaker from 'opossum'
import type { Clock } from '../component.ts'
import { GatewayError, messageOf } from '../errors.ts'
import {
  type BreakerPhase,
  type BreakerPolicy,
  type BreakerSettings,
  closedBreaker,
  lanesAllowed,
  opened,
  proven,
  retried,
  ticked,
} from './breaker-policy.ts'

/** Something that an attempt opened; `proof` resolves when it was seen to work and rejects when it was not. */
export interface Attempted {
  proof(): Promise<void>
}

export interface BreakerStatus {
  readonly state: BreakerPhase['kind']
  /** Why it is not closed; empty when it is. */
  readonly reason: string
  /** Unix ms. */
  readonly sinceMs: number
  /** Unix ms; only when open. */
  readonly nextTryMs: number | undefined
  readonly openedTotal: number
}

/** Slow start and status move in steps of this. */
const TICK_MS = 250
/** Beyond the deadlines of the attempt itself, so that opossum's own timer is only a last net. */
const CIRCUIT_SLACK_MS = 60_000
/** The circuit's window must hold this many times the failures that open it. */
const WINDOW_FACTOR = 4

type Listener = (phase: BreakerPhase) => void

/**
 * The breaker of one peer, around opening sessions and around their progress; all links to the peer share it.
 * - attempts carry the generation they began in and are aborted when the breaker opens, so that a late success can
 *   never close a newer half-open circuit (opossum by itself lets any success do that);
 * - in half-open the attempt lasts until its session was seen to work, not just until it was opened.
 */
export class PeerBreaker {
  readonly peer: string
  readonly settings: BreakerSettings
  readonly #clock: Clock
  readonly #random: () => number
  readonly #circuit: CircuitBreaker<[() => Promise<void>], void>
  readonly #listeners = new Set<Listener>()
  #policy: BreakerPolicy
  #reason = 'failures'
  #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #openedTotal = 0

  constructor(
    peer: string,
    settings: BreakerSettings,
    world: { readonly clock: Clock; readonly random: () => number },
  ) {
    this.peer = peer
    this.settings = settings
    this.#clock = world.clock
    this.#random = world.random
    this.#policy = closedBreaker(world.clock.monotonicMs())
    this.#circuit = new CircuitBreaker((work: () => Promise<void>) => work(), {
      name: peer,
      timeout: settings.openTimeoutMs + settings.stalledAfterMs + CIRCUIT_SLACK_MS,
      resetTimeout: settings.retryAfterMs,
      volumeThreshold: settings.failures,
      errorThresholdPercentage: 50,
      rollingCountTimeout: WINDOW_FACTOR * settings.failures * (settings.openTimeoutMs + settings.retryAfterMs),
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    })
    // Before opossum's own listener starts its timer with `resetTimeout`, which is the same every time by itself.
    this.#circuit.prependListener('open', () => this.#onOpen())
    this.#circuit.on('halfOpen', () => this.#move(retried(this.#policy, this.#clock.monotonicMs())))
  }

  get status(): BreakerStatus {
    const { phase } = this.#policy
    const unix = (monotonicMs: number) => Math.round(this.#clock.nowMs() + monotonicMs - this.#clock.monotonicMs())
    return {
      state: phase.kind,
      reason: 'reason' in phase ? phase.reason : '',
      sinceMs: unix(phase.sinceMs),
      nextTryMs: phase.kind === 'open' ? unix(phase.nextTryMs) : undefined,
      openedTotal: this.#openedTotal,
    }
  }

  get lanesAllowed(): number {
    return lanesAllowed(this.#policy)
  }

  /** Called at every change of phase; returns how to stop listening. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** May an attempt be made now? In half-open only one at a time is let through. */
  get admits(): boolean {
    return this.#circuit.closed || (this.#circuit.halfOpen && this.#circuit.pendingClose)
  }

  /** Resolves when `admits` may have become true. */
  async change(signal: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const done = () => {
        stop()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const stop = this.onChange(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }

  /**
   * One attempt at opening something at the peer. Rejects with what `open` rejected with, or PEER_UNREACHABLE when the
   * breaker does not admit it or opened meanwhile. `open` must settle by itself soon after its signal is aborted.
   */
  attempt<T extends Attempted>(open: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (!this.admits) return Promise.reject(this.#refusal())
    const { generation } = this.#policy
    const { signal } = this.#abort
    return new Promise((resolve, reject) => {
      const work = async () => {
        const probing = this.#circuit.halfOpen
        try {
          const attempted = await open(signal)
          this.#requireCurrent(generation)
          resolve(attempted)
          if (!probing) return
          await attempted.proof()
          this.#requireCurrent(generation)
        } catch (error) {
          if (generation === this.#policy.generation) this.#reason = messageOf(error)
          throw error
        }
        this.#move(proven(this.#policy, generation, this.#clock.monotonicMs(), this.settings))
      }
      this.#circuit.fire(work).catch(reject)
    })
  }

  /** A session stands still although it owes something: the peer is not to be trusted, at once. */
  stalled(reason: string): void {
    this.#reason = reason
    this.#circuit.open()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#abort.abort()
    this.#circuit.shutdown()
    this.#listeners.clear()
  }

  #onOpen(): void {
    const now = this.#clock.monotonicMs()
    const next = opened(this.#policy, this.#reason, now, this.#random(), this.settings)
    if (next.phase.kind === 'open') setResetTimeout(this.#circuit, Math.max(1, next.phase.nextTryMs - now))
    this.#openedTotal++
    this.#renewAbort()
    this.#move(next)
  }

  #renewAbort(): void {
    const aborted = this.#abort
    this.#abort = new AbortController()
    aborted.abort()
  }

  #move(next: BreakerPolicy): void {
    const before = this.#policy
    if (next === before) return
    this.#policy = next
    this.#tickWhile(next.phase.kind === 'slow-start')
    for (const listener of [...this.#listeners]) listener(next.phase)
  }

  #tickWhile(slow: boolean): void {
    if (slow && this.#timer === undefined) {
      this.#timer = setInterval(
        () => this.#move(ticked(this.#policy, this.#clock.monotonicMs(), this.settings)),
        TICK_MS,
      ).unref()
    } else if (!slow) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #requireCurrent(generation: number): void {
    if (generation !== this.#policy.generation) throw this.#refusal()
  }

  #refusal(): GatewayError {
    const { state, reason } = this.status
    return new GatewayError('PEER_UNREACHABLE', 'peer', `the breaker of ${this.peer} is ${state}: ${reason}`)
  }
}

/** opossum reads the option at every opening; only its types hide that it has options. */
function setResetTimeout(circuit: object, resetTimeoutMs: number): void {
  ;(circuit as { options: { resetTimeout: number } }).options.resetTimeout = resetTimeoutMs
}
