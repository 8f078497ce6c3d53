import type { ErrorCode } from '../errors.ts'

/** What the admin server needs of a gateway. Implemented at the composition root; plain values, quick, from memory. */
export interface StatusSource {
  status(): GatewayStatus
  /** Every inbound link with every topic known on it; the server filters and pages. */
  links(): readonly LinkView[]
}

/** What an operator can do. Each resolves when the act is durable and rejects with GatewayError. */
export interface Operator {
  /** `reason` may be empty. Holds for the whole data center and over restarts. */
  pauseLink(origin: string, reason: string): Promise<{ readonly alreadyPaused: boolean }>
  resumeLink(origin: string): Promise<{ readonly wasPaused: boolean }>
  setLogLevel(level: LogLevelName): { readonly previousLevel: string }
}

export const LOG_LEVEL_NAMES = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevelName = (typeof LOG_LEVEL_NAMES)[number]

export interface GatewayStatus {
  readonly dc: string
  readonly node: string
  readonly version: string
  readonly state: 'starting' | 'running' | 'stopping'
  readonly startedAtMs: number
  readonly kafka: {
    readonly clusterId: string
    readonly reachable: boolean
    readonly brokers: number
    readonly problem?: string
  }
  /** All must hold for the node to count as ready. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly why?: string }[]
  readonly members: readonly MemberView[]
  readonly served: readonly {
    readonly peerDc: string
    readonly peerNode: string
    readonly address: string
    readonly link: string
    readonly sinceMs: number
  }[]
  readonly memory: { readonly boundBytes: number; readonly bufferedBytes: number; readonly rssBytes: number }
  readonly logLevel: string
}

/** A node of this data center and its lanes. */
export interface MemberView {
  readonly node: string
  readonly lanes: readonly number[]
}

export type LinkState = 'connecting' | 'running' | 'paused' | 'down'
export type BreakerStateName = 'closed' | 'open' | 'half-open' | 'slow-start'
export type PartitionStateName = 'starting' | 'running' | 'waiting' | 'halted' | 'paused'

export interface LinkView {
  readonly origin: string
  readonly dc: string
  /** Data centers that the records pass on their way here, the origin first. */
  readonly path: readonly string[]
  readonly state: LinkState
  readonly reason?: string
  readonly breaker: { readonly state: BreakerStateName; readonly reason?: string; readonly sinceMs: number }
  readonly peerNode?: string
  readonly peerAddress?: string
  readonly lanesOwned: readonly number[]
  readonly lanesTotal: number
  readonly topics: readonly TopicView[]
}

export interface TopicView {
  /** Name at the origin, and here. */
  readonly topic: string
  readonly targetTopic: string
  readonly rate: RateView
  /** Of this node's partitions. Lag in bytes and seconds is known per topic. */
  readonly lag: LagView
  readonly partitions: readonly PartitionView[]
  /** Set: not replicated, and why. */
  readonly refused?: string
}

export interface LagView {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
}

export interface RateView {
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
}

export interface PartitionView {
  readonly partition: number
  readonly lane: number
  readonly state: PartitionStateName
  readonly reason?: string
  readonly code?: ErrorCode
  /** Next origin offset needed. */
  readonly position: number
  readonly highWatermark: number
  readonly mode: 'plain' | 'transactions'
}

/** What the events room keeps (telemetry/events.ts). */
export interface EventSource {
  recent(limit: number, afterSequence?: number): readonly EventView[]
  subscribe(listener: (event: EventView) => void): () => void
}

export interface EventView {
  readonly sequence: number
  readonly timeMs: number
  readonly name: string
  readonly message: string
  readonly link?: string
  readonly peer?: string
  readonly topic?: string
  readonly partition?: number
  readonly fromOffset?: number
  readonly toOffset?: number
}
