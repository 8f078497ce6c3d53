import { type BreakerPolicy, type BreakerSettings, closedBreaker, opened, proven, retried } from './breaker-policy.ts'

/**
 * The source's breaker for peers that are sent something and do not take it: after each such session the peer's next one
 * is refused for a while, longer each time. Same policy as at the target; there is nothing to dial here, so no circuit.
 */
export class SlowPeers {
  readonly #peers = new Map<string, BreakerPolicy>()
  readonly #settings: BreakerSettings
  readonly #random: () => number

  constructor(settings: BreakerSettings, random: () => number) {
    this.#settings = settings
    this.#random = random
  }

  /** How long a new session must wait, 0 when it is welcome. */
  pauseMs(peer: string, nowMs: number): number {
    const policy = this.#peers.get(peer)
    if (policy?.phase.kind !== 'open') return 0
    if (nowMs < policy.phase.nextTryMs) return Math.ceil(policy.phase.nextTryMs - nowMs)
    this.#peers.set(peer, retried(policy, nowMs))
    return 0
  }

  /** A session of the peer was ended because it took nothing. */
  stalled(peer: string, nowMs: number): void {
    const policy = this.#peers.get(peer) ?? closedBreaker(nowMs)
    this.#peers.set(peer, opened(policy, 'it does not take what it is sent', nowMs, this.#random(), this.#settings))
  }

  /** A session of the peer took something. */
  took(peer: string, nowMs: number): void {
    const policy = this.#peers.get(peer)
    if (policy?.phase.kind !== 'half-open') return
    if (proven(policy, policy.generation, nowMs, this.#settings) !== policy) this.#peers.delete(peer)
  }
}
