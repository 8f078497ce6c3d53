import type { WanChange } from '../../deploy/local/types.ts'
import type { SeededRandom } from '../support/ledger-random.ts'

/** One thing that goes wrong, with the name of what it happens to. */
export type Fault =
  | { readonly kind: 'kill'; readonly name: string }
  | { readonly kind: 'restart'; readonly name: string }
  | { readonly kind: 'pause'; readonly name: string }
  | { readonly kind: 'wan'; readonly name: string; readonly change: WanChange; readonly oneWay: boolean }
  | { readonly kind: 'add-partition' }
  | { readonly kind: 'new-topic' }

export interface ScheduledFault {
  /** After the load of the round began. */
  readonly atMs: number
  /** From the fault to its end: `start`, `resume`, `heal`. */
  readonly forMs: number
  readonly fault: Fault
}

export interface ChaosSite {
  readonly gateways: readonly string[]
  readonly brokers: readonly string[]
  /** Of data centers: `eu-us`, both orders. */
  readonly paths: readonly string[]
}

/** Load and faults of a round; everything is whole again at its end. */
export const ROUND_MS = 60_000
/** Faults begin this far apart. */
const GAP_MS = { min: 1_000, max: 9_000 }
/** The longest is the one that faults.md asks for: a node that stands still for 45 s. */
const PAUSE_MS = { min: 3_000, max: 45_000 }
const DOWN_MS = { min: 0, max: 10_000 }
const WAN_MS = { min: 3_000, max: 25_000 }
const RESET_EVERY_MS = 2_000
const SLOW_ROUND_TRIP_MS = 200
const NARROW_BYTES_PER_SECOND = 1_000_000

/** The faults of one round, in order of time. The same draws give the same schedule; nothing is hit twice at once. */
export function scheduleRound(random: SeededRandom, site: ChaosSite): ScheduledFault[] {
  const scheduled: ScheduledFault[] = []
  const busyUntilMs = new Map<string, number>()
  for (
    let atMs = random.between(GAP_MS.min, GAP_MS.max);
    atMs < ROUND_MS;
    atMs += random.between(GAP_MS.min, GAP_MS.max)
  ) {
    const { fault, forMs } = drawFault(random, site)
    const name = 'name' in fault ? fault.name : fault.kind
    if ((busyUntilMs.get(name) ?? 0) > atMs) continue
    busyUntilMs.set(name, atMs + forMs)
    scheduled.push({ atMs, forMs, fault })
  }
  return scheduled
}

function drawFault(random: SeededRandom, site: ChaosSite): { fault: Fault; forMs: number } {
  const draw = random.below(100)
  const lasting = ({ min, max }: { min: number; max: number }) => random.between(min, max)
  if (draw < 25) return { fault: { kind: 'kill', name: random.pick(site.gateways) }, forMs: lasting(DOWN_MS) }
  if (draw < 33) return { fault: { kind: 'restart', name: random.pick(site.gateways) }, forMs: lasting(DOWN_MS) }
  if (draw < 43) return { fault: { kind: 'pause', name: random.pick(site.gateways) }, forMs: lasting(PAUSE_MS) }
  if (draw < 58) return { fault: { kind: 'kill', name: random.pick(site.brokers) }, forMs: lasting(DOWN_MS) }
  if (draw < 63) return { fault: { kind: 'pause', name: random.pick(site.brokers) }, forMs: lasting(DOWN_MS) }
  if (draw < 93) {
    const change = drawWanChange(random)
    const oneWay = (change.kind === 'blackhole' || change.kind === 'delay') && random.chance(0.3)
    return { fault: { kind: 'wan', name: random.pick(site.paths), change, oneWay }, forMs: lasting(WAN_MS) }
  }
  return { fault: { kind: draw < 97 ? 'add-partition' : 'new-topic' }, forMs: 0 }
}

function drawWanChange(random: SeededRandom): WanChange {
  switch (random.below(5)) {
    case 0:
      return { kind: 'cut' }
    case 1:
      return { kind: 'blackhole' }
    case 2:
      return { kind: 'delay', roundTripMs: SLOW_ROUND_TRIP_MS }
    case 3:
      return { kind: 'rate', bytesPerSecond: NARROW_BYTES_PER_SECOND }
    default:
      return { kind: 'reset-every', intervalMs: RESET_EVERY_MS }
  }
}

/** One line for the terminal. */
export function faultText({ fault, forMs }: ScheduledFault): string {
  const seconds = `${(forMs / 1_000).toFixed(1)} s`
  switch (fault.kind) {
    case 'wan':
      return `${fault.change.kind}${fault.oneWay ? ' (one way)' : ''} ${fault.name} for ${seconds}`
    case 'kill':
    case 'restart':
    case 'pause':
      return `${fault.kind} ${fault.name} for ${seconds}`
    case 'add-partition':
    case 'new-topic':
      return fault.kind
  }
}
