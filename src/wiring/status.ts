import type { GatewayStatus, LinkState, LinkView, PartitionView, StatusSource, TopicView } from '../admin/ports.ts'
import type { Clock } from '../component.ts'
import type { GatewayConfig } from '../config/schema.ts'
import type { LaneOwner } from '../ingest/lane-owner.ts'
import type { WriterView } from '../ingest/link-ingest.ts'
import type { WriterState } from '../ingest/writer-state.ts'
import type { LinkStatus } from '../link/dial.ts'
import type { ReplicationServer } from '../link/server.ts'
import { linkName } from '../route/names.ts'
import type { Control } from '../state/control.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { TopicStanding } from '../topics/bring-up.ts'
import type { InboundLink } from './inbound-links.ts'
import type { IngestTelemetry } from './observe.ts'

export interface StatusParts {
  readonly config: GatewayConfig
  readonly version: string
  readonly clusterId: string
  readonly startedAtMs: number
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly measures: IngestTelemetry
  readonly lanes: LaneOwner
  readonly links: readonly InboundLink[]
  readonly server: ReplicationServer
  readonly control: Control
  memoryBoundBytes(): number
  /** Batch bytes held now: received and not stored yet, on their way to brokers, fetched to be sent. */
  bufferedBytes(): { readonly frames: number; readonly inflight: number; readonly fetched: number }
  state(): GatewayStatus['state']
  brokers(): number
  /** Why the local cluster does not answer; undefined: it does. */
  clusterProblem(): string | undefined
  outflowProblem(): string | undefined
  /** Why the group of this data center's nodes did not take this one in. */
  groupProblem(): string | undefined
  /** Why the shared state cannot be written. */
  stateProblem(): string | undefined
  members(): GatewayStatus['members']
}

/** The gateway as an operator sees it, from memory. */
export function statusSource(parts: StatusParts): StatusSource {
  return { status: () => gatewayStatus(parts), links: () => parts.links.map(link => linkView(link, parts)) }
}

function gatewayStatus(parts: StatusParts): GatewayStatus {
  const { config, version, clusterId, startedAtMs, telemetry, server } = parts
  const problem = parts.clusterProblem()
  const { frames, inflight, fetched } = parts.bufferedBytes()
  return {
    dc: config.dc,
    node: config.node,
    version,
    state: parts.state(),
    startedAtMs,
    kafka: { clusterId, reachable: problem === undefined, brokers: parts.brokers(), problem },
    checks: readinessChecks(parts),
    members: parts.members(),
    served: server.sessions.map(({ peer, node, address, origin, sinceMs }) => ({
      peerDc: peer,
      peerNode: node,
      address,
      link: linkName(origin, peer),
      sinceMs,
    })),
    memory: {
      boundBytes: parts.memoryBoundBytes(),
      bufferedBytes: frames + inflight + fetched,
      rssBytes: process.memoryUsage.rss(),
    },
    logLevel: telemetry.logger.level(),
  }
}

/** What must hold for the node to count as ready. A peer that is down is no reason not to be. */
export function readinessChecks(parts: StatusParts): GatewayStatus['checks'] {
  const problem = parts.clusterProblem()
  const outflow = parts.outflowProblem()
  const shared = parts.stateProblem()
  const confirmed = parts.lanes.confirmed()
  return [
    { name: 'running', ok: parts.state() === 'running', why: parts.state() === 'running' ? undefined : parts.state() },
    { name: 'kafka', ok: problem === undefined, why: problem },
    {
      name: 'group',
      ok: confirmed,
      why: confirmed ? undefined : groupWhy(parts.groupProblem()),
    },
    { name: 'outflow', ok: outflow === undefined, why: outflow },
    { name: 'state', ok: shared === undefined, why: shared },
  ]
}

function groupWhy(problem: string | undefined): string {
  const what = 'the group of this data center’s nodes does not confirm this one'
  return problem === undefined ? what : `${what}: ${problem}`
}

export function linkView(inbound: InboundLink, parts: StatusParts): LinkView {
  const { origin, link, ingest, topics } = inbound
  const { config, lanes, control, clock } = parts
  const status = link.status
  const pause = control.paused(origin)
  const byTopic = Map.groupBy(ingest.view(), view => view.topic)
  const { state: breakerState, reason: breakerReason, sinceMs } = status.breaker
  return {
    origin,
    dc: config.dc,
    path: status.path,
    ...linkState(status, pause?.reason),
    breaker: { state: breakerState, reason: breakerReason || undefined, sinceMs },
    peerNode: status.node,
    peerAddress: status.address,
    lanesOwned: [...lanes.lanes].sort((a, b) => a - b),
    lanesTotal: lanes.total,
    topics: [...topics.standings()].map(([name, standing]) =>
      topicView(name, standing, byTopic.get(standing.kind === 'ready' ? standing.topic.target : name) ?? [], {
        origin,
        measures: parts.measures,
        nowMs: clock.monotonicMs(),
        paused: pause !== undefined,
      }),
    ),
  }
}

function linkState({ state }: LinkStatus, pauseReason: string | undefined): { state: LinkState; reason?: string } {
  if (pauseReason !== undefined) return { state: 'paused', reason: pauseReason || undefined }
  switch (state.kind) {
    case 'up':
      return { state: 'running' }
    case 'connecting':
      return { state: 'connecting' }
    case 'paused':
      return { state: 'paused', reason: state.reason }
    case 'stopped':
      return { state: 'down', reason: 'this node is stopping' }
    case 'refused':
    case 'waiting':
      return { state: 'down', reason: state.reason }
  }
}

interface TopicContext {
  readonly origin: string
  readonly measures: IngestTelemetry
  readonly nowMs: number
  readonly paused: boolean
}

function topicView(
  name: string,
  standing: TopicStanding,
  writers: readonly WriterView[],
  context: TopicContext,
): TopicView {
  const target = standing.kind === 'ready' ? standing.topic.target : name
  const meter = context.measures.meter(context.origin, target)
  const records = writers.reduce((sum, { lag }) => sum + lag.records, 0)
  const lagMs = writers.reduce((most, { lag }) => Math.max(most, lag.ms), 0)
  return {
    topic: name,
    targetTopic: target,
    rate: meter.rate(context.nowMs),
    lag: { records, bytes: Math.round(records * meter.meanRecordBytes()), seconds: lagMs / 1000 },
    partitions: writers.map(writer => partitionView(writer, context.paused)),
    refused: standing.kind === 'ready' ? undefined : standing.why,
  }
}

function partitionView(writer: WriterView, paused: boolean): PartitionView {
  const { partition, lane, standing, lag } = writer
  const mode = writer.state.kind === 'running' && writer.state.mode === 'transaction' ? 'transactions' : 'plain'
  const { position } = standing
  const base = { partition, lane, position, highWatermark: Math.max(lag.highWatermark, position), mode } as const
  if (paused) return { ...base, state: 'paused' }
  return { ...base, ...writerState(writer.state, writer.waitingFor) }
}

function writerState(
  state: WriterState,
  waitingFor: string | undefined,
): Pick<PartitionView, 'state' | 'reason' | 'code'> {
  switch (state.kind) {
    case 'running':
      return waitingFor === undefined ? { state: 'running' } : { state: 'waiting', reason: waitingFor }
    case 'taking-over':
      return { state: 'starting', reason: waitingFor }
    case 'waiting':
      return { state: 'waiting', reason: state.why }
    case 'stopped':
      return { state: 'waiting', reason: 'its lane left this node' }
    case 'halted':
      return { state: 'halted', reason: state.error.message, code: state.error.code }
  }
}
