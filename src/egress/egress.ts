import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { clusterHash } from '../record/position.ts'
import type { PeerIdentity } from '../route/pull.ts'
import { DEFAULT_MAX_BATCH_BYTES } from './limits.ts'
import { OriginDecisions } from './origin-decisions.ts'
import type {
  EgressObserver,
  EgressTopics,
  FrameSink,
  LogLookups,
  LogProbe,
  OpenReader,
  OriginRegistry,
  RelayPositions,
  SourceSession,
  SourceSide,
} from './ports.ts'
import { relayLink } from './relay.ts'
import { resolveDirect } from './resolve-start.ts'
import { directScan } from './scan.ts'
import { EgressSession, type LinkKind } from './session.ts'

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

/** What all sessions share. */
export interface EgressWorld {
  readonly openReader: OpenReader
  readonly registry: OriginRegistry
  readonly decisions: OriginDecisions
  readonly topics: EgressTopics
  readonly clock: Clock
  readonly observer: EgressObserver
  readonly log: EgressLog
  gone(session: EgressSession): void
}

export interface EgressStatus {
  readonly peer: string
  readonly node: string
  readonly origin: string
  readonly channels: number
  /** Response buffers that the session holds. */
  readonly heldBytes: number
}

/** Serves the local log to peers: room 1. */
export interface Egress extends SourceSide {
  readonly sessions: readonly EgressStatus[]
  /** After a change of rules: catalogs are told anew, and what may no longer leave stops. */
  recheck(): void
}

/** Makes the room. It holds no state but open sessions: where a partition stands is known to the target alone. */
export function openEgress(options: EgressOptions): Egress {
  const sessions = new Set<EgressSession>()
  const decisions = new OriginDecisions(options.registry, clusterHash(options.clusterId))
  const { openReader, registry, topics, clock, observer, log } = options
  const world: EgressWorld = {
    openReader,
    registry,
    decisions,
    topics,
    clock,
    observer,
    log,
    gone: session => sessions.delete(session),
  }
  const direct: LinkKind = {
    relayed: false,
    resolve: (request, topic) => resolveDirect(request, topic, options.lookups),
    scan: (_topic, _partition, place, passedOver) =>
      directScan(decisions, place, options.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES, passedOver),
  }
  return {
    accept(peer: PeerIdentity, origin: string, sink: FrameSink): SourceSession {
      const broken = registry.broken()
      if (broken !== undefined)
        throw new GatewayError('REGISTRY_BROKEN', 'peer', `nothing leaves ${options.dc}: ${broken}`)
      const offer = topics.of(origin)
      if (offer === undefined)
        throw new GatewayError('PEER_REFUSED', 'peer', `${options.dc} does not carry the records of ${origin}`)
      const kind = origin === options.dc ? direct : relayLink(origin, decisions, options)
      const session = new EgressSession(peer, origin, world, offer, kind, sink)
      sessions.add(session)
      return session
    },
    recheck: () => {
      for (const session of sessions) session.recheck()
    },
    get sessions() {
      return [...sessions].map(({ peer, origin, channels, heldBytes }) => ({
        peer: peer.dc,
        node: peer.node,
        origin,
        channels,
        heldBytes,
      }))
    },
  }
}
