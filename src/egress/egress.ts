import { GatewayError } from '../errors.ts'
import { clusterHash } from '../record/position.ts'
import { DEFAULT_MAX_BATCH_BYTES } from '../route/batch-limits.ts'
import type { PeerIdentity } from '../route/pull.ts'
import { OriginDecisions } from './origin-decisions.ts'
import type { FrameSink, SourceSession, SourceSide } from './ports.ts'
import { relayLink } from './relay.ts'
import { resolveDirect } from './resolve-start.ts'
import { directScan } from './scan.ts'
import { EgressSession } from './session.ts'
import type { EgressOptions, EgressWorld, LinkKind, OpenSession } from './world.ts'

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
  const sessions = new Set<OpenSession>()
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
