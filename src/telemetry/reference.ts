import { EVENTS } from './events.ts'
import { METRIC_SPECS } from './metrics.ts'

/** docs/metrics.md out of what is declared: a metric or event cannot exist without its line there. */

const INTRO = `# Metrics and events

Every node answers \`/metrics\` (Prometheus), \`/healthz\` (the process answers) and \`/readyz\` (every check holds; the
body says which does not) on \`listen.http\`.

Names follow Prometheus's conventions: base units (seconds, bytes), \`_total\` for counters. A node tells what it does
itself: sum \`isthmus_link_*\` over the nodes of a data center, take the maximum of \`isthmus_link_lag_seconds\`. \`link\` is
printed \`eu->us\`, for what comes in and for what goes out. A metric has at most 5,000 series; topics beyond that are
summed up as \`topic="_other"\`.

\`process_*\` and \`nodejs_*\` (CPU, resident memory, event loop delay, garbage collection) are those of prom-client.

Worth an alert:

| what | when | what to do |
|---|---|---|
| \`isthmus_link_lag_seconds\` | above what your consumers bear, for some minutes | [link-lag](runbooks/link-lag.md) |
| \`isthmus_partitions{state="halted"}\` | above 0: a person is needed, \`isthmus links\` says why | [partition-halted](runbooks/partition-halted.md) |
| \`isthmus_outflow_halted\` | 1: the registry cannot be trusted, nothing leaves this data center | [registry-lost](runbooks/registry-lost.md) |
| \`isthmus_gap_records_total\` | grows: records were lost at the source before they were fetched | [gap](runbooks/gap.md) |
| \`isthmus_dropped_records_total{reason="loop"}\` | grows: the paths of the data centers form a loop | [loop](runbooks/loop.md) |
| \`isthmus_breaker_state{state="open"}\` | 1 for some minutes: a peer is not reachable | [breaker-open](runbooks/breaker-open.md) |
| \`isthmus_checkpoint_age_seconds\` | above 60: takeovers would read far back | [checkpoint-age](runbooks/checkpoint-age.md) |

This page is generated from \`src/telemetry/metrics.ts\` and \`src/telemetry/events.ts\`.
`

const EVENTS_INTRO = `## Events

Each node keeps its last 1,000; \`isthmus events\` shows them and \`WatchEvents\` streams them. Each has its time, link or
peer, topic, partition and exact range of origin offsets where these apply, and is also logged at its level and counted
in \`isthmus_events_total\`.
`

/** The whole page. */
export function metricsReference(): string {
  const metrics = Object.values(METRIC_SPECS).map(({ name, kind, labels, help }) => {
    const shownLabels = labels.map(label => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${kind} | ${shownLabels} | ${help.replaceAll('|', '\\|')} |`
  })
  const events = Object.entries(EVENTS).map(([name, [level, meaning]]) => `| \`${name}\` | ${level} | ${meaning} |`)
  return [
    INTRO,
    `## Metrics\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n${metrics.join('\n')}\n`,
    `${EVENTS_INTRO}\n| name | level | meaning |\n|---|---|---|\n${events.join('\n')}\n`,
  ].join('\n')
}
