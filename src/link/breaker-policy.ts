/**
 * What the breaker of a peer does, as a pure state machine; opossum (breaker.ts) is the circuit that it steers.
 *
 *   closed --failures in a row, or a session that stands still--> open
 *   open --pause over--> half-open: one attempt, one lane
 *   half-open --the attempt was seen to work--> slow-start --lanes doubled to all--> closed
 *   half-open, slow-start --failure--> open, for longer
 *   any --operator--> held, until released
 *
 * Every opening begins a new generation; what was begun in an older one can no longer say anything about the peer.
 */

export interface BreakerSettings {
  /** How long opening a session at one address may take. */
  readonly openTimeoutMs: number
  /** A session that owes something and has not moved for so long counts as a failure. */
  readonly stalledAfterMs: number
  /** Failures in a row that open the breaker. */
  readonly failures: number
  /** First pause of an open breaker; it doubles, with jitter, up to `retryMaxMs`. */
  readonly retryAfterMs: number
  readonly retryMaxMs: number
  /** Time over which lanes come back after a breaker closed. */
  readonly slowStartMs: number
  /** Lanes of a link, for the slow start. */
  readonly lanes: number
}

export const DEFAULT_BREAKER_SETTINGS: BreakerSettings = {
  openTimeoutMs: 3_000,
  stalledAfterMs: 5_000,
  failures: 2,
  retryAfterMs: 1_000,
  retryMaxMs: 30_000,
  slowStartMs: 5_000,
  lanes: 16,
}

export type BreakerPhase =
  | { readonly kind: 'closed'; readonly sinceMs: number }
  | { readonly kind: 'open'; readonly reason: string; readonly sinceMs: number; readonly nextTryMs: number }
  | { readonly kind: 'half-open'; readonly reason: string; readonly sinceMs: number }
  | { readonly kind: 'slow-start'; readonly reason: string; readonly sinceMs: number; readonly lanes: number }

/** Times are monotonic ms. */
export interface BreakerPolicy {
  readonly phase: BreakerPhase
  readonly generation: number
  /** Openings since the last time it was closed: what the pause grows with. */
  readonly openings: number
}

/** As many lanes as the other side likes. */
export const ALL_LANES = Number.MAX_SAFE_INTEGER
/** A pause lies between these shares of its full length, so that many gateways do not come back at once. */
const JITTER_FROM = 0.5

export function closedBreaker(nowMs: number): BreakerPolicy {
  return { phase: { kind: 'closed', sinceMs: nowMs }, generation: 0, openings: 0 }
}

/** A failure that ends the trust in the peer. In `open` nothing more can be lost. */
export function opened(
  policy: BreakerPolicy,
  reason: string,
  nowMs: number,
  random: number,
  settings: BreakerSettings,
): BreakerPolicy {
  if (policy.phase.kind === 'open') return policy
  const openings = policy.openings + 1
  const nextTryMs = nowMs + pauseMs(openings, random, settings)
  return { phase: { kind: 'open', reason, sinceMs: nowMs, nextTryMs }, generation: policy.generation + 1, openings }
}

/** The pause is over: one attempt may be made. */
export function retried(policy: BreakerPolicy, nowMs: number): BreakerPolicy {
  if (policy.phase.kind !== 'open') return policy
  return { ...policy, phase: { kind: 'half-open', reason: policy.phase.reason, sinceMs: nowMs } }
}

/** The attempt of this generation was seen to work. */
export function proven(
  policy: BreakerPolicy,
  generation: number,
  nowMs: number,
  settings: BreakerSettings,
): BreakerPolicy {
  if (policy.phase.kind !== 'half-open' || generation !== policy.generation) return policy
  if (settings.slowStartMs === 0 || settings.lanes <= 1) return closed(policy, nowMs)
  return { ...policy, phase: { kind: 'slow-start', reason: policy.phase.reason, sinceMs: nowMs, lanes: 1 } }
}

/** Time passes: lanes double in equal steps over `slowStartMs`; with all of them back the breaker is closed. */
export function ticked(policy: BreakerPolicy, nowMs: number, settings: BreakerSettings): BreakerPolicy {
  const { phase } = policy
  if (phase.kind !== 'slow-start') return policy
  const doublings = Math.ceil(Math.log2(settings.lanes))
  const done = Math.floor(((nowMs - phase.sinceMs) * doublings) / settings.slowStartMs)
  if (done >= doublings) return closed(policy, nowMs)
  const lanes = 2 ** Math.max(0, done)
  return lanes === phase.lanes ? policy : { ...policy, phase: { ...phase, lanes } }
}

/** How many lanes of each link may be open at this peer now. */
export function lanesAllowed(policy: BreakerPolicy): number {
  switch (policy.phase.kind) {
    case 'closed':
      return ALL_LANES
    case 'slow-start':
      return policy.phase.lanes
    case 'half-open':
      return 1
    case 'open':
      return 0
  }
}

function closed(policy: BreakerPolicy, nowMs: number): BreakerPolicy {
  return { phase: { kind: 'closed', sinceMs: nowMs }, generation: policy.generation, openings: 0 }
}

function pauseMs(openings: number, random: number, settings: BreakerSettings): number {
  const full = Math.min(settings.retryMaxMs, settings.retryAfterMs * 2 ** Math.min(openings - 1, MAX_DOUBLINGS))
  return Math.round(full * (JITTER_FROM + (1 - JITTER_FROM) * random))
}

/** 2^30 first pauses are longer than any cap. */
const MAX_DOUBLINGS = 30
