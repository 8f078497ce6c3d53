import { linkName } from '../route/names.ts'
import type { InboundLink } from './inbound-links.ts'
import { linkView, type StatusParts } from './status.ts'

const BREAKER_STATES = ['closed', 'open', 'half-open', 'slow-start', 'held'] as const

/** Gauges that are read from state at each scrape. */
export function exposeGauges(parts: StatusParts): void {
  const { registry } = parts.telemetry
  const { metrics } = registry
  registry.onScrape(() => {
    for (const gauge of [
      metrics.lagRecords,
      metrics.lagBytes,
      metrics.lagSeconds,
      metrics.partitions,
      metrics.sessions,
    ])
      gauge.clear()
    metrics.memoryBound.set({}, parts.memoryBoundBytes)
    for (const inbound of parts.links) exposeLink(inbound, parts)
    const served = Map.groupBy(parts.server.sessions, ({ origin, peer }) => linkName(origin, peer))
    for (const [link, sessions] of served) metrics.sessions.set({ link, direction: 'out' }, sessions.length)
    const held = parts.links.reduce((sum, { ingest }) => sum + ingest.heldBytes(), 0)
    metrics.bufferedBytes.set({ kind: 'frames' }, held)
  })
}

function exposeLink(inbound: InboundLink, parts: StatusParts): void {
  const { metrics } = parts.telemetry.registry
  const link = linkName(inbound.origin, parts.config.dc)
  const view = linkView(inbound, parts)
  metrics.lanesOwned.set({ link }, view.lanesOwned.length)
  metrics.sessions.set({ link, direction: 'in' }, view.state === 'running' ? 1 : 0)
  for (const state of BREAKER_STATES)
    metrics.breakerState.set({ peer: inbound.dialled, side: 'fetch', state }, view.breaker.state === state ? 1 : 0)
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
