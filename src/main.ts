import { adminServer } from './admin/server.ts'
import { type Clock, systemClock } from './component.ts'
import { clusterSettings } from './config/cluster-settings.ts'
import type { GatewayConfig } from './config/schema.ts'
import type { ConfigSource } from './config/source.ts'
import { type Egress, openEgress } from './egress/egress.ts'
import { component, Gateway } from './gateway.ts'
import { LaneOwner } from './ingest/lane-owner.ts'
import type { IngestLimits } from './ingest/limits.ts'
import { InFlightBudget, TakeoverGate } from './ingest/node-budget.ts'
import { selfTest } from './ingest/self-test.ts'
import {
  type ClusterAdmin,
  type ClusterTargetLog,
  GroupMembership,
  KafkaCluster,
  openLogReader,
  openTargetLog,
  openTopicAdmin,
} from './kafka/index.ts'
import { type ReplicationServer, replicationServer } from './link/server.ts'
import { clusterHash } from './record/position.ts'
import { advertisedPaths } from './route/paths.ts'
import type { PeerIdentity } from './route/pull.ts'
import { LANES_TOPIC, SELF_TEST_TOPIC } from './state/topics.ts'
import { EVENTS } from './telemetry/events.ts'
import { httpServer } from './telemetry/http.ts'
import type { Logger } from './telemetry/log.ts'
import { createTelemetry, type Telemetry } from './telemetry/telemetry.ts'
import { LocalCatalog } from './topics/local-catalog.ts'
import { VERSION } from './version.ts'
import { ClusterHealth } from './wiring/cluster-health.ts'
import { fetching } from './wiring/fetching.ts'
import { exposeGauges, type ScrapedParts } from './wiring/gauges.ts'
import { breakersOf, currentPaths, type InboundLink, inboundLinks } from './wiring/inbound-links.ts'
import { tellLaneMoves } from './wiring/lane-moves.ts'
import { linkLog } from './wiring/link-log.ts'
import { liveConfig, topicsChanges } from './wiring/live-config.ts'
import { Members } from './wiring/members.ts'
import {
  heldBytes,
  largestBatchBytes,
  MAX_IN_FLIGHT_BYTES,
  MAX_READER_BYTES,
  memoryBoundBytes,
} from './wiring/memory.ts'
import { IngestTelemetry } from './wiring/observe.ts'
import { EgressTelemetry } from './wiring/observe-egress.ts'
import { SessionTelemetry } from './wiring/observe-sessions.ts'
import { operator } from './wiring/operator.ts'
import { relayPositions, servedTopics } from './wiring/serving.ts'
import { openSharedState, type SharedState } from './wiring/shared-state.ts'
import { readinessChecks, statusSource } from './wiring/status.ts'
import { rememberContents, targetContents } from './wiring/target-contents.ts'

/** A running gateway node. */
export interface RunningGateway {
  /** Drains, hands its lanes over and stops; what is not done in time is left to the next owner's fence. */
  stop(deadlineMs: number): Promise<void>
}

/** What exists once the local cluster answered. */
interface Local {
  readonly cluster: KafkaCluster
  readonly target: ClusterTargetLog
  readonly admin: ClusterAdmin
  readonly catalog: LocalCatalog
  readonly state: SharedState
  readonly health: ClusterHealth
  readonly limits: IngestLimits
}

/**
 * Starts a gateway node: the local cluster, its shared state, a self-test of the fence, then what it serves and what it
 * fetches. Peers that are down stop nothing. Rejects with GatewayError when the node cannot work at all.
 */
export async function runGateway(source: ConfigSource, logger: Logger): Promise<RunningGateway> {
  const config = source.current()
  const version = VERSION
  const telemetry = createTelemetry({ dc: config.dc, node: config.node, version, level: config.logLevel, logger })
  const gateway = new Gateway(logger.child('gateway'))
  try {
    await start(gateway, source, version, telemetry)
  } catch (error) {
    await gateway.stop(START_FAILED_STOP_MS)
    throw error
  }
  return { stop: deadlineMs => gateway.stop(deadlineMs) }
}

const START_FAILED_STOP_MS = 5_000

async function start(gateway: Gateway, source: ConfigSource, version: string, telemetry: Telemetry): Promise<void> {
  const config = source.current()
  const live = liveConfig(source)
  const clock = systemClock
  const startedAtMs = clock.nowMs()
  const local = await openLocal(gateway, config, telemetry, clock)
  const node = { config, live, version, startedAtMs, clock, telemetry, gateway, ...local }
  const { membership, members, lanes } = shareLanes(node)
  const measures = new IngestTelemetry(config.dc, telemetry, clock.monotonicMs)
  tellLaneMoves(lanes, telemetry.events)
  const inFlight = new InFlightBudget(local.limits.maxInFlightBytes)
  const links: InboundLink[] = []
  const identity = (): PeerIdentity => ({
    dc: config.dc,
    node: config.node,
    clusterId: local.cluster.clusterId,
    paths: advertisedPaths(config.dc, currentPaths(links)),
  })
  links.push(...fetchFromPeers(node, { lanes, measures, inFlight, identity }))
  const origins = links.map(link => link.origin)
  await rememberContents(origins, local.state, local.target, local.catalog)
  const { egress, server } = serveToPeers(node, links, identity)
  const status = describe(node, { measures, lanes, links, egress, server, membership, members, inFlight })
  exposeGauges(status)
  await gateway.add(
    httpServer({ listen: config.listen.http, metrics: telemetry.registry, readiness: () => readinessChecks(status) }),
  )
  await gateway.add(
    adminServer({
      listen: config.listen.admin,
      source: statusSource(status),
      operator: operator(config.dc, local.state.control, links, telemetry),
      events: telemetry.events,
      eventLevel: name => EVENTS[name as keyof typeof EVENTS][0],
    }),
  )
  await gateway.add(server)
  await gateway.add(members)
  await gateway.add(breakersOf(links))
  await gateway.add(fetching(membership, links, local.state.control))
  await gateway.add(topicsChanges(live, { links, egress, log: telemetry.logger.child('config') }))
  gateway.running()
  telemetry.logger.child('gateway').info(
    {
      dc: config.dc,
      node: config.node,
      version,
      links: origins,
      memoryBoundBytes: status.memoryBoundBytes(),
    },
    'running',
  )
}

/** What every part of the node stands on. */
interface NodeParts extends Local {
  readonly config: GatewayConfig
  readonly live: ConfigSource
  readonly version: string
  readonly startedAtMs: number
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly gateway: Gateway
}

function shareLanes({ config, cluster, telemetry, clock, state }: NodeParts) {
  const log = telemetry.logger.child('group')
  const membership = new GroupMembership(cluster, {
    groupId: `isthmus.${config.dc}.lanes`,
    topic: LANES_TOPIC,
    node: config.node,
    ...config.groups,
    log: (level, message, fields) => log.limited(`group ${message}`)[level](fields, message),
  })
  const lanes = new LaneOwner(membership, clock, config.groups.sessionTimeoutMs, state.lanes)
  return { membership, members: new Members(membership, clock), lanes }
}

function fetchFromPeers(
  { config, live, clock, telemetry, cluster, target, admin, catalog, state, limits }: NodeParts,
  shared: {
    readonly lanes: LaneOwner
    readonly measures: IngestTelemetry
    readonly inFlight: InFlightBudget
    identity(): PeerIdentity
  },
): InboundLink[] {
  const { lanes, measures, inFlight, identity } = shared
  return inboundLinks({
    config,
    live,
    clock,
    telemetry,
    control: state.control,
    lanes,
    identity,
    ingest: {
      target,
      registry: state.registry,
      checkpoints: state.progress,
      clock,
      limits,
      observer: measures,
      random: Math.random,
      clusterHash: clusterHash(cluster.clusterId),
      inFlight,
      takeoverGate: new TakeoverGate(clock),
      isOwner: lane => lanes.isOwner(lane),
    },
    follow: {
      dc: config.dc,
      admin,
      catalog,
      contents: targetContents(state, target, catalog),
      events: { record: (name, message, place) => telemetry.events.record(name, message, place) },
      clock,
    },
  })
}

function serveToPeers(
  { config, live, clock, telemetry, cluster, target, catalog, state }: NodeParts,
  links: readonly InboundLink[],
  identity: () => PeerIdentity,
): { readonly egress: Egress; readonly server: ReplicationServer } {
  const { registry, control, guard, progress } = state
  const egress = openEgress({
    dc: config.dc,
    clusterId: cluster.clusterId,
    openReader: () =>
      openLogReader(cluster, target.queries, { name: `serve-${serial++}`, maxOutstandingBytes: MAX_READER_BYTES }),
    lookups: target.queries,
    probe: target,
    registry: {
      writer: producerId => registry.writer(producerId),
      catchUp: () => registry.catchUp(),
      broken: () => guard.broken(),
      withheld: (topic, partition) => state.lostWriters.of(topic, partition),
    },
    topics: servedTopics(live, catalog, links),
    relayPositions: relayPositions(config, progress),
    maxBatchBytes: config.flow.maxBatchBytes,
    clock,
    observer: new EgressTelemetry(telemetry.registry),
    log: telemetry.logger.child('egress'),
  })
  const server = replicationServer({
    listen: config.listen.replication,
    identity,
    configured: dc => config.peers.some(peer => peer.dc === dc),
    source: egress,
    knownClusters: {
      get: dc => control.clusterOf(dc),
      remember: (dc, clusterId) => control.rememberCluster(dc, clusterId),
    },
    maxReplicationHops: config.limits.maxReplicationHops,
    clock,
    observer: new SessionTelemetry(config.dc, 'out', telemetry, clock.monotonicMs),
    log: linkLog(telemetry.logger),
  })
  return { egress, server }
}

function describe(
  { config, version, startedAtMs, clock, telemetry, gateway, cluster, state, health }: NodeParts,
  seen: Pick<ScrapedParts, 'measures' | 'lanes' | 'links' | 'server'> & {
    readonly egress: Egress
    readonly inFlight: InFlightBudget
    readonly membership: GroupMembership
    readonly members: Members
  },
): ScrapedParts {
  return {
    ...seen,
    config,
    version,
    startedAtMs,
    clock,
    telemetry,
    clusterId: cluster.clusterId,
    control: state.control,
    progress: state.progress,
    memoryBoundBytes: () =>
      memoryBoundBytes(config, {
        served: seen.server.sessions.length,
        lanes: seen.lanes.total,
        entries: state.entries(),
        largestBatchBytes: largestBatchBytes(seen.links, config),
      }),
    bufferedBytes: () => heldBytes(seen.links, seen.egress, seen.inFlight),
    state: () => gateway.state,
    brokers: () => cluster.brokers.length,
    clusterProblem: () => health.problem(),
    groupProblem: () => seen.membership.problem(),
    stateProblem: () => state.problem(),
    outflowProblem: () => state.guard.broken(),
    members: () => seen.members.with(config.node, seen.lanes.lanes),
  }
}

/** Names readers apart: each session has connections of its own. */
let serial = 0

async function openLocal(gateway: Gateway, config: GatewayConfig, telemetry: Telemetry, clock: Clock): Promise<Local> {
  const log = telemetry.logger.child('gateway')
  const cluster = await KafkaCluster.connect(clusterSettings(config))
  await gateway.add(
    component(
      'kafka',
      async () => {},
      () => cluster.close(),
    ),
  )
  const target = openTargetLog(cluster)
  await gateway.add(
    component(
      'appenders',
      async () => {},
      async () => target.close(),
    ),
  )
  const admin = openTopicAdmin(cluster)
  const state = await openSharedState({ config, cluster, target, admin, telemetry, clock })
  await gateway.add(
    component(
      'shared state',
      async () => {},
      () => state.stop(),
    ),
  )
  const id = `isthmus.self-test.${config.dc}.${config.node}.0.0`
  await selfTest(target, clock, { topic: SELF_TEST_TOPIC, partition: 0 }, id)
  log.info({ clusterId: cluster.clusterId }, 'the fence holds on this cluster')
  const health = new ClusterHealth(clock, telemetry.events)
  const catalog = new LocalCatalog({
    admin: { ...admin, listTopics: () => health.watch(admin.listTopics()) },
    clock,
    onTrouble: error => log.limited('catalog').warn({ error }, 'the topics of the local cluster were not read'),
  })
  await gateway.add(catalog)
  await gateway.add(health)
  return { cluster, target, admin, catalog, state, health, limits: await ingestLimits(config, admin) }
}

async function ingestLimits(config: GatewayConfig, admin: ClusterAdmin): Promise<IngestLimits> {
  const broker = await admin.brokerConfigs()
  const setting = (name: string, fallbackMs: number) => Number(broker.get(name) ?? fallbackMs)
  return {
    laneCreditBytes: config.flow.laneCreditBytes,
    targetBatchBytes: config.flow.targetBatchBytes,
    maxInFlightBytes: MAX_IN_FLIGHT_BYTES,
    maxReplicationHops: config.limits.maxReplicationHops,
    sessionTimeoutMs: config.groups.sessionTimeoutMs,
    producerIdExpirationMs: setting('producer.id.expiration.ms', PRODUCER_ID_EXPIRATION_MS),
    transactionalIdExpirationMs: setting('transactional.id.expiration.ms', TRANSACTIONAL_ID_EXPIRATION_MS),
  }
}

/** Kafka's defaults, where a broker does not tell. */
const PRODUCER_ID_EXPIRATION_MS = 24 * 3_600_000
const TRANSACTIONAL_ID_EXPIRATION_MS = 7 * 24 * 3_600_000
