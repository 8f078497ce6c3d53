import type { Clock } from '../component.ts'
import type { OpenRequest, PeerIdentity } from '../route/pull.ts'
import type { OriginDecisions } from './origin-decisions.ts'
import type { PassedOver } from './passed-over.ts'
import type {
  EgressObserver,
  EgressTopics,
  LogLookups,
  LogProbe,
  OfferedTopic,
  OpenReader,
  OriginRegistry,
  RelayPositions,
  SourceSession,
} from './ports.ts'
import type { Resolved } from './resolve-start.ts'
import type { Scan } from './scan.ts'

export interface EgressLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface EgressOptions {
  readonly dc: string
  readonly clusterId: string
  readonly openReader: OpenReader
  readonly lookups: LogLookups
  readonly probe: LogProbe
  readonly registry: OriginRegistry
  readonly topics: EgressTopics
  readonly relayPositions: RelayPositions
  readonly maxBatchBytes?: number
  readonly clock: Clock
  readonly observer: EgressObserver
  readonly log: EgressLog
}

/** A session as the room sees it. */
export interface OpenSession extends SourceSession {
  readonly peer: PeerIdentity
  readonly origin: string
  readonly channels: number
  /** Response buffers that it holds. */
  readonly heldBytes: number
  recheck(): void
}

/** What all sessions share. */
export interface EgressWorld {
  readonly openReader: OpenReader
  readonly registry: OriginRegistry
  readonly decisions: OriginDecisions
  readonly topics: EgressTopics
  readonly clock: Clock
  readonly observer: EgressObserver
  readonly log: EgressLog
  gone(session: OpenSession): void
}

/** How a link's partitions are found and scanned: directly at the origin, or at a relay. */
export interface LinkKind {
  readonly relayed: boolean
  resolve(request: OpenRequest, topic: OfferedTopic): Promise<Resolved>
  scan(topic: OfferedTopic, partition: number, place: string, passedOver: PassedOver): Scan
}
