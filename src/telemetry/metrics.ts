import { createRegistry, type Instruments, type MetricSpec, type MetricsRegistry } from './instruments.ts'

/**
 * Every metric of the gateway. Names and base units follow Prometheus's conventions; docs/metrics.md explains each and a
 * test keeps both in step. `link` is printed `eu->us`, for what comes in and for what goes out; label values come from
 * closed lists, or from names of topics, peers and links.
 */

function counter<const Label extends string>(name: string, labels: readonly Label[], help: string) {
  return { kind: 'counter', name, labels, help } as const satisfies MetricSpec<Label, 'counter'>
}
function gauge<const Label extends string>(name: string, labels: readonly Label[], help: string) {
  return { kind: 'gauge', name, labels, help } as const satisfies MetricSpec<Label, 'gauge'>
}
function histogram<const Label extends string>(
  name: string,
  labels: readonly Label[],
  help: string,
  buckets: readonly number[],
) {
  return { kind: 'histogram', name, labels, help, buckets } as const satisfies MetricSpec<Label, 'histogram'>
}

const TAKEOVER_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export const METRIC_SPECS = {
  info: gauge('isthmus_info', ['dc', 'node', 'version'], 'Always 1; says who this node is.'),

  recordsIn: counter(
    'isthmus_link_records_in_total',
    ['link', 'topic'],
    'Records of the link stored in the local cluster.',
  ),
  bytesIn: counter(
    'isthmus_link_bytes_in_total',
    ['link', 'topic'],
    'Batch bytes of the link that are stored, counted as they came over the WAN.',
  ),
  bytesStored: counter(
    'isthmus_link_bytes_stored_total',
    ['link', 'topic'],
    'Batch bytes of the link as stored in the local cluster, provenance included.',
  ),
  recordsOut: counter(
    'isthmus_link_records_out_total',
    ['link', 'topic'],
    'Records sent to the peer of the link. `topic`: its name at the origin.',
  ),
  bytesOut: counter('isthmus_link_bytes_out_total', ['link', 'topic'], 'Batch bytes sent to the peer of the link.'),
  frames: counter(
    'isthmus_link_frames_total',
    ['link', 'direction'],
    'Frames received (`in`; a batch above 1 MiB comes in several) or sent (`out`).',
  ),

  lagRecords: gauge(
    'isthmus_link_lag_records',
    ['link', 'topic'],
    'Records (offsets) at the source that are not stored here yet.',
  ),
  lagBytes: gauge(
    'isthmus_link_lag_bytes',
    ['link', 'topic'],
    'The same in batch bytes, estimated from the mean record size of the topic.',
  ),
  lagSeconds: gauge(
    'isthmus_link_lag_seconds',
    ['link', 'topic'],
    "Age of the oldest record not stored here yet, by the source's clock; while the source cannot be asked, at least the time since it last was. 0 when all are stored.",
  ),

  sessions: gauge('isthmus_sessions', ['link', 'direction'], 'Open sessions: `in` we fetch, `out` we serve.'),
  sessionsOpened: counter('isthmus_sessions_opened_total', ['link', 'direction'], 'Sessions opened.'),
  sessionsRefused: counter(
    'isthmus_sessions_refused_total',
    ['direction', 'code'],
    'Sessions refused, by a peer (`in`) or by us (`out`), by error code (docs/errors.md).',
  ),
  sessionsUnread: counter(
    'isthmus_sessions_unread_total',
    [],
    'Sessions that we ended because the peer took nothing of what it was sent.',
  ),
  protocolViolations: counter(
    'isthmus_protocol_violations_total',
    ['direction'],
    'What a peer said and may not say, or a channel that broke the rules: by those we fetch from (`in`), or serve (`out`).',
  ),
  breakerState: gauge(
    'isthmus_breaker_state',
    ['peer', 'state'],
    '1 for the state the breaker is in (`closed`, `open`, `half-open`, `slow-start`), 0 for the others.',
  ),
  breakerOpened: counter(
    'isthmus_breaker_opened_total',
    ['peer'],
    'Times the breaker opened, failed attempts to come back included.',
  ),

  lanesOwned: gauge('isthmus_lanes_owned', ['link'], 'Lanes of the link that this node owns.'),
  partitions: gauge(
    'isthmus_partitions',
    ['link', 'state'],
    'Partitions of owned lanes by state: `starting`, `running`, `waiting`, `halted`, `paused`.',
  ),
  takeovers: counter('isthmus_takeovers_total', ['link', 'reason'], 'Partitions taken over, by reason.'),
  takeoverSeconds: histogram(
    'isthmus_takeover_seconds',
    ['link'],
    'Time from the first request of a takeover until the partition was asked for at the peer.',
    TAKEOVER_SECONDS,
  ),
  fences: counter('isthmus_fences_total', ['link'], 'Fence markers written.'),
  fenced: counter('isthmus_fenced_total', ['link'], 'Times that this node was fenced by a newer owner of a partition.'),
  checkpointAge: gauge(
    'isthmus_checkpoint_age_seconds',
    ['link'],
    'Age of the oldest checkpoint among the running partitions that have moved since.',
  ),

  produceErrors: counter(
    'isthmus_produce_errors_total',
    ['link', 'kind'],
    'Failed appends to the local cluster, by what the failure means (`retriable`, `ambiguous`, `fenced`, `too-large`, `denied`, `fatal`).',
  ),
  dropped: counter(
    'isthmus_dropped_records_total',
    ['link', 'reason'],
    "Records that were read and must not cross: `aborted`, `control`, `foreign` (another origin's), `loop` (over the hop limit), `repeated` (the target has them already).",
  ),
  provenanceReplaced: counter(
    'isthmus_provenance_replaced_records_total',
    ['link'],
    'Local records that carried provenance headers copied by an application, which were replaced.',
  ),
  gaps: counter('isthmus_gaps_total', ['link', 'topic'], 'Gaps: ranges that the source no longer had.'),
  gapRecords: counter('isthmus_gap_records_total', ['link', 'topic'], 'Offsets inside gaps.'),
  outflowHalted: gauge(
    'isthmus_outflow_halted',
    [],
    '1 while this data center serves nothing because its registry cannot be trusted.',
  ),

  bufferedBytes: gauge(
    'isthmus_buffered_bytes',
    ['kind'],
    'Batch bytes held in memory: `frames` received and not stored yet, `inflight` to brokers, `fetched` to be sent.',
  ),
  memoryBound: gauge(
    'isthmus_memory_bound_bytes',
    [],
    'The most that records, and state that grows with them, take here beside the 200 MB or so of an idle process. It follows peers, lanes, credit, served sessions and the largest batch that topics allow.',
  ),

  events: counter('isthmus_events_total', ['name'], 'Named events (docs/metrics.md lists them).'),
} as const

export type Metrics = Instruments<typeof METRIC_SPECS>

export type GatewayMetrics = MetricsRegistry<typeof METRIC_SPECS>

/** The metrics of one gateway process, with a registry of its own. */
export function createMetrics(): GatewayMetrics {
  return createRegistry(METRIC_SPECS)
}
