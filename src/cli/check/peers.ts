import { systemClock } from '../../component.ts'
import type { GatewayConfig, PeerConfig } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import { dialAddresses, resolveHost } from '../../link/addresses.ts'
import { openSession } from '../../link/open-session.ts'
import type { KnownClusters, LinkListener, LinkLog } from '../../link/ports.ts'
import { describePath, linkRoutes } from '../../route/paths.ts'
import type { CatalogTopic } from '../../route/pull.ts'
import { several } from '../text.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import { failed } from './local-cluster.ts'
import type { CheckFacts, CheckStep, Offer } from './step.ts'

/** From the handshake to the end of the first catalog. */
const CATALOG_DEADLINE_MS = 10_000

/** Dials every node of every peer as the gateway would, shakes hands for each link, and reads what is offered. */
export const peers: CheckStep = {
  title: 'peers',
  async run(facts) {
    const { config, cluster } = facts
    if (cluster === undefined) return []
    if (config.peers.length === 0)
      return [warning('peers', 'there are none: this data center fetches nothing and nobody may fetch from it')]
    const known = clustersSeen()
    const routes = config.topics.include.length === 0 ? [] : linkRoutes(config.peers.map(asRoute))
    const perLink = await Promise.all(routes.map(({ origin, dial }) => askPeer(facts, known, origin, dial)))
    return [...perLink.flat(), ...sameCluster(facts.offers)]
  },
}

/** Records of one cluster under two names would arrive twice. */
function sameCluster(offers: readonly Offer[]): Finding[] {
  const names = new Map<string, Set<string>>()
  for (const { peer } of offers) names.set(peer.clusterId, (names.get(peer.clusterId) ?? new Set()).add(peer.dc))
  return [...names]
    .filter(([, dcs]) => dcs.size > 1)
    .map(([clusterId, dcs]) =>
      problem(
        'peers',
        `${[...dcs].join(' and ')} are the same Kafka cluster (${clusterId})`,
        'one of their gateways uses the wrong cluster',
      ),
    )
}

function asRoute({ dc, via, addresses }: PeerConfig) {
  return { dc, via, dialable: addresses.length > 0 }
}

async function askPeer(facts: CheckFacts, known: KnownClusters, origin: string, dial: string): Promise<Finding[]> {
  const { config } = facts
  const where = dial === origin ? `peer ${origin}` : `peer ${origin} via ${dial}`
  const configured = config.peers.find(peer => peer.dc === dial)?.addresses ?? []
  const findings: Finding[] = []
  let reached = false
  try {
    for (const address of await dialAddresses(configured, resolveHost)) {
      try {
        const offer = await readOffer(facts, known, { origin, dial, address })
        if (!reached) facts.offers.push(offer)
        reached = true
        const path = describePath({ origin, via: offer.path }, config.dc)
        findings.push(
          ok(where, `${offer.peer.node} at ${offer.address}: ${path}, offers ${several(offer.topics.length, 'topic')}`),
        )
      } catch (error) {
        findings.push(unreached(where, error))
      }
    }
  } catch (error) {
    return [problem(where, (error as Error).message, 'is the name right, and can it be resolved here?')]
  }
  // One node that answers is enough to run; the others should answer nevertheless.
  return reached
    ? findings.map(finding => (finding.level === 'error' ? { ...finding, level: 'warning' as const } : finding))
    : findings
}

/** What cannot be reached says rarely why; this says where to look. */
function unreached(where: string, error: unknown): Finding {
  const finding = failed(where, error)
  if (finding.whatToDo !== undefined || !(error instanceof GatewayError) || error.code !== 'PEER_UNREACHABLE')
    return finding
  return {
    ...finding,
    whatToDo: 'is that gateway running, and does the network let this machine reach its listen.replication port?',
  }
}

interface Dial {
  readonly origin: string
  readonly dial: string
  readonly address: Awaited<ReturnType<typeof dialAddresses>>[number]
}

const SILENT: LinkLog = { info: () => {}, warn: () => {}, error: () => {} }

/** One session, ended as soon as its catalog is complete. Rejects with GatewayError. */
async function readOffer(
  { config, cluster }: CheckFacts,
  known: KnownClusters,
  { origin, dial, address }: Dial,
): Promise<Offer> {
  const catalog = new Map<string, CatalogTopic>()
  const complete = Promise.withResolvers<void>()
  const failing = (reason: string) =>
    complete.reject(new GatewayError('PEER_UNREACHABLE', 'peer', `${dial} (${address.authority}): ${reason}`))
  const session = await openSession(
    address,
    {
      dialled: dial,
      origin,
      expectations: {
        ours: identity(config, cluster?.clusterId ?? ''),
        knownClusters: known,
        maxReplicationHops: config.limits.maxReplicationHops,
      },
      openTimeoutMs: config.breaker.openTimeoutMs,
      maxBatchBytes: config.flow.maxBatchBytes,
      listener: catalogReader(catalog, complete.resolve, failing),
      progress: { outstanding: () => false, lastMovedMonotonicMs: () => performance.now() },
      counters: { framesReceived: 0, batchBytesReceived: 0, protocolViolations: 0 },
      clock: systemClock,
      log: SILENT,
    },
    new AbortController().signal,
  )
  const timer = setTimeout(() => failing('sent no catalog of its topics in time'), CATALOG_DEADLINE_MS)
  try {
    session.begin(1)
    await complete.promise
    return {
      origin,
      address: session.address,
      peer: session.peer,
      path: session.path.via,
      topics: [...catalog.values()],
    }
  } finally {
    clearTimeout(timer)
    session.end('check is done')
  }
}

function identity(config: GatewayConfig, clusterId: string) {
  return { dc: config.dc, node: `${config.node}-check`, clusterId, paths: [{ origin: config.dc, via: [] }] }
}

function catalogReader(
  catalog: Map<string, CatalogTopic>,
  complete: () => void,
  failing: (reason: string) => void,
): LinkListener {
  const nothing = () => {}
  return {
    up: nothing,
    lanes: nothing,
    catalog(_session, topics, removed, full) {
      for (const topic of topics) catalog.set(topic.name, topic)
      for (const name of removed) catalog.delete(name)
      if (full) complete()
    },
    opened: nothing,
    frame: nothing,
    progress: nothing,
    closed: nothing,
    down: (_session, reason) => failing(reason),
  }
}

/** Within one run of check: one name has one cluster. */
function clustersSeen(): KnownClusters {
  const seen = new Map<string, string>()
  return { get: dc => seen.get(dc), remember: (dc, clusterId) => void seen.set(dc, clusterId) }
}
