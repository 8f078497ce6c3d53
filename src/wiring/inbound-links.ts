import type { Clock, Component } from '../component.ts'
import type { GatewayConfig, PeerConfig } from '../config/schema.ts'
import type { ConfigSource } from '../config/source.ts'
import type { LaneOwner } from '../ingest/lane-owner.ts'
import { LinkIngest, type LinkIngestPorts } from '../ingest/link-ingest.ts'
import { PeerBreaker } from '../link/breaker.ts'
import type { BreakerSettings } from '../link/breaker-policy.ts'
import { dialPeer, type PeerLink } from '../link/dial.ts'
import type { KnownClusters } from '../link/ports.ts'
import { targetTopic } from '../route/names.ts'
import { linkRoutes } from '../route/paths.ts'
import type { Path, PeerIdentity } from '../route/pull.ts'
import { startChooser } from '../route/start-policy.ts'
import { wishFilter } from '../route/topic-filter.ts'
import type { Control } from '../state/control.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { FollowSettings } from '../topics/decide.ts'
import { type FollowPorts, TopicFollower } from '../topics/follow.ts'
import type { ReadyTopic } from '../topics/ports.ts'
import { linkLog } from './link-log.ts'
import { SessionTelemetry } from './observe-sessions.ts'
import { RemoteCatalog } from './remote-catalog.ts'

/** One inbound link: whom it dials, what it writes, which topics it follows. */
export interface InboundLink {
  readonly origin: string
  readonly dialled: string
  readonly breaker: PeerBreaker
  readonly link: PeerLink
  readonly ingest: LinkIngest
  readonly topics: TopicFollower
  readonly catalog: RemoteCatalog
}

export interface InboundOptions {
  readonly config: GatewayConfig
  /** Says what holds for topics now. */
  readonly live: ConfigSource
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly control: Control
  readonly lanes: LaneOwner
  readonly ingest: Omit<LinkIngestPorts, 'onCatalog'>
  readonly follow: Omit<FollowPorts, 'topics'>
  identity(): PeerIdentity
}

/** Makes every inbound link of the config; nothing is dialled before `link.start()`. */
export function inboundLinks(options: InboundOptions): InboundLink[] {
  const { config } = options
  const breakers = new Map<string, PeerBreaker>()
  const peers = new Map(config.peers.map(peer => [peer.dc, peer]))
  const routes = linkRoutes(
    config.peers.map(peer => ({ dc: peer.dc, dialable: peer.addresses.length > 0, via: peer.via })),
  )
  return routes.map(({ origin, dial }) => {
    const breaker = breakers.get(dial) ?? newBreaker(dial, options)
    breakers.set(dial, breaker)
    return inboundLink(origin, peers.get(dial)!, breaker, options)
  })
}

function newBreaker(peer: string, { config, clock, telemetry, lanes }: InboundOptions): PeerBreaker {
  const settings: BreakerSettings = { ...config.breaker, lanes: lanes.total }
  const breaker = new PeerBreaker(peer, settings, { clock, random: Math.random })
  let worked = true
  breaker.onChange(phase => {
    const { metrics } = telemetry.registry
    if (phase.kind === 'open') {
      metrics.breakerOpened.add({ peer })
      // Of a peer that stays away only the first opening is news.
      if (worked) telemetry.events.record('breaker-opened', `${peer} is left alone: ${phase.reason}`, { peer })
    } else if (phase.kind === 'closed') telemetry.events.record('breaker-closed', `${peer} is used again`, { peer })
    worked = phase.kind === 'closed' || phase.kind === 'slow-start'
  })
  return breaker
}

function inboundLink(origin: string, peer: PeerConfig, breaker: PeerBreaker, options: InboundOptions): InboundLink {
  const { config, live, clock, telemetry, control } = options
  const catalog = new RemoteCatalog()
  const ingest = new LinkIngest(origin, {
    ...options.ingest,
    onCatalog: (topics, removed, full) => {
      catalog.take(topics, removed, full)
      follower.remoteCatalog(topics, removed, full)
    },
  })
  const follower = new TopicFollower(followSettings(live.current(), origin), {
    ...options.follow,
    topics: {
      ready: topic => ingest.ready(asIngestTopic(topic, live.current())),
      withdrawn: (_origin, name) => ingest.withdrawn(targetTopic(config.topics.rename, origin, name)),
    },
  })
  const link = dialPeer({
    peer: peer.dc,
    addresses: peer.addresses,
    origin,
    breaker,
    listener: ingest,
    progress: ingest,
    identity: options.identity,
    knownClusters: knownClusters(control),
    maxReplicationHops: config.limits.maxReplicationHops,
    maxBatchBytes: config.flow.maxBatchBytes,
    clock,
    random: Math.random,
    observer: new SessionTelemetry(config.dc, 'in', telemetry, clock.monotonicMs),
    log: linkLog(telemetry.logger),
  })
  options.lanes.subscribe((owned, total) => ingest.setOwnedLanes(owned, total))
  return { origin, dialled: peer.dc, breaker, link, ingest, topics: follower, catalog }
}

function knownClusters(control: Control): KnownClusters {
  return { get: dc => control.clusterOf(dc), remember: (dc, clusterId) => control.rememberCluster(dc, clusterId) }
}

export function followSettings(config: GatewayConfig, origin: string): FollowSettings {
  const { topics } = config
  return {
    origin,
    dcs: [config.dc, ...config.peers.map(peer => peer.dc)],
    renameTemplate: topics.rename,
    wish: wishFilter(topics),
    startOf: startChooser(topics.start),
    onTargetRecreated: topics.onTargetRecreated,
    copyConfigs: topics.follow === origin,
  }
}

function asIngestTopic(topic: ReadyTopic, { topics }: GatewayConfig) {
  return {
    originTopic: topic.name,
    topic: topic.target,
    partitions: topic.partitions,
    compacted: topic.compacted,
    maxMessageBytes: topic.maxMessageBytes,
    policy: {
      start: topic.start,
      gap: topics.onGap,
      originRecreated: topics.onRecreated,
      targetRecreated: topics.onTargetRecreated,
    },
  }
}

/** Ends the breakers that links share; to be stopped after the links. */
export function breakersOf(links: readonly InboundLink[]): Component {
  const stop = async () => {
    for (const breaker of new Set(links.map(link => link.breaker))) breaker.stop()
  }
  return { name: 'breakers', start: async () => {}, stop }
}

/** The paths by which each origin's records reach us now: what we may pass on. */
export function currentPaths(links: readonly InboundLink[]): Path[] {
  return links.flatMap(({ origin, link }) => {
    const { state, path } = link.status
    return state.kind === 'up' && path.length > 0 ? [{ origin, via: path }] : []
  })
}
