import { linkName } from '../route/names.ts'
import type { Progress } from '../state/progress.ts'
import type { InboundLink } from './inbound-links.ts'
import { linkView, type StatusParts } from './status.ts'

const BREAKER_STATES = ['closed', 'open', 'half-open', 'slow-start'] as const

export interface ScrapedParts extends StatusParts {
  readonly progress: Progress
}

/** What is read from state at each scrape: gauges, and counters that rooms keep as totals of their own. */
export function exposeGauges(parts: ScrapedParts): void {
  const { registry } = parts.telemetry
  const grown = growth()
  registry.onScrape(() => {
    const { lagRecords, lagBytes, lagSeconds, partitions, sessions, checkpointAge } = registry.metrics
    for (const gauge of [lagRecords, lagBytes, lagSeconds, partitions, sessions, checkpointAge]) gauge.clear()
    exposeMemory(parts)
    for (const inbound of parts.links) {
      exposeLink(inbound, parts)
      exposeProgress(inbound, parts)
    }
    const served = Map.groupBy(parts.server.sessions, ({ origin, peer }) => linkName(origin, peer))
    for (const [link, open] of served) sessions.set({ link, direction: 'out' }, open.length)
    exposeTotals(parts, grown)
  })
}

function exposeMemory(parts: StatusParts): void {
  const { memoryBound, bufferedBytes } = parts.telemetry.registry.metrics
  memoryBound.set({}, parts.memoryBoundBytes())
  for (const [kind, bytes] of Object.entries(parts.bufferedBytes())) bufferedBytes.set({ kind }, bytes)
}

function exposeLink(inbound: InboundLink, parts: StatusParts): void {
  const { metrics } = parts.telemetry.registry
  const link = linkName(inbound.origin, parts.config.dc)
  const view = linkView(inbound, parts)
  metrics.lanesOwned.set({ link }, view.lanesOwned.length)
  metrics.sessions.set({ link, direction: 'in' }, view.state === 'running' ? 1 : 0)
  for (const state of BREAKER_STATES)
    metrics.breakerState.set({ peer: inbound.dialled, state }, view.breaker.state === state ? 1 : 0)
  const states = new Map<string, number>()
  for (const topic of view.topics) {
    if (topic.refused !== undefined) continue
    metrics.lagRecords.set({ link, topic: topic.targetTopic }, topic.lag.records)
    metrics.lagBytes.set({ link, topic: topic.targetTopic }, topic.lag.bytes)
    metrics.lagSeconds.set({ link, topic: topic.targetTopic }, topic.lag.seconds)
    for (const { state } of topic.partitions) states.set(state, (states.get(state) ?? 0) + 1)
  }
  for (const [state, count] of states) metrics.partitions.set({ link, state }, count)
}

/** How old the oldest checkpoint is that a running partition has moved past: what a takeover would read again. */
function exposeProgress({ origin, ingest }: InboundLink, { progress, telemetry, config, clock }: ScrapedParts): void {
  let oldestMs = clock.nowMs()
  for (const { topic, partition, state, standing } of ingest.view()) {
    if (state.kind !== 'running') continue
    const [newest] = progress.of(origin, topic, partition).toSorted((a, b) => b.savedAtMs - a.savedAtMs)
    if (newest !== undefined && newest.position < standing.position) oldestMs = Math.min(oldestMs, newest.savedAtMs)
  }
  const ageSeconds = Math.max(0, clock.nowMs() - oldestMs) / 1000
  telemetry.registry.metrics.checkpointAge.set({ link: linkName(origin, config.dc) }, ageSeconds)
}

function exposeTotals({ telemetry, links, server, config }: ScrapedParts, grown: Growth): void {
  const { frames, protocolViolations, sessionsUnread } = telemetry.registry.metrics
  for (const { origin, link } of links) {
    const name = linkName(origin, config.dc)
    const { framesReceived, protocolViolations: broken } = link.status.counters
    frames.add({ link: name, direction: 'in' }, grown(`frames ${name}`, framesReceived))
    protocolViolations.add({ direction: 'in' }, grown(`violations ${name}`, broken))
  }
  const { protocolViolations: broken, sessionsUnread: unread } = server.counters
  protocolViolations.add({ direction: 'out' }, grown('violations', broken))
  sessionsUnread.add({}, grown('unread', unread))
}

type Growth = (name: string, total: number) => number

/** How much a total has grown since it was last asked for. */
function growth(): Growth {
  const last = new Map<string, number>()
  return (name, total) => {
    const before = last.get(name) ?? 0
    last.set(name, total)
    return total - before
  }
}
