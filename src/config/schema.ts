import { hostname } from 'node:os'
import { z } from 'zod'
import { DEFAULT_LANES, MAX_LANES } from '../route/lanes.ts'
import { dcNameProblem, nodeNameProblem, SAME_NAME_TEMPLATE, templateProblem } from '../route/names.ts'
import { DEFAULT_MAX_REPLICATION_HOPS, MAX_REPLICATION_HOPS_LIMIT } from '../route/paths.ts'
import type { StartRule } from '../route/start-policy.ts'
import { patternProblem } from '../route/topic-pattern.ts'
import { duration, parseFirstStart, parseHostPort, scalar, size, textWith } from './values.ts'

/**
 * The one schema of `isthmus.yaml`. Defaults, limits and the words of docs/config.md live here; what relates several
 * fields to one another is in relations.ts. Durations come out in ms, sizes in bytes, addresses as {host, port}.
 */

const dcName = () => scalar('data center', textWith(dcNameProblem))
const hostPort = () => scalar('host:port', parseHostPort)
const pattern = () => scalar('pattern', textWith(patternProblem))
const patterns = () => z.array(pattern())
const count = (min: number, max: number) =>
  z
    .int()
    .min(min)
    .max(max)
    .meta({ kind: `number, ${min} to ${max}` })
const text = () => z.string().min(1)
const file = () => text().meta({ kind: 'file' })
const say = (description: string, example?: string) => ({ description, example })

/** As it would stand in the file; expanded from the environment by environment.ts. */
const PASSWORD_EXAMPLE = `\${ISTHMUS_KAFKA_PASSWORD}`

const kafkaTls = z
  .strictObject({
    ca: file()
      .optional()
      .meta(say("PEM file with the authorities to trust instead of the system's.", '/etc/isthmus/kafka-ca.pem')),
    cert: file().optional().meta(say('PEM file with the client certificate, where brokers ask for one.')),
    key: file().optional().meta(say('PEM file with the key of `cert`.')),
    serverName: text()
      .optional()
      .meta(say("Name to expect in the brokers' certificates, where it is not the host name.")),
  })
  .meta(say("TLS towards the brokers: `true` for the system's authorities, or files. Absent: plain text.", 'true'))

const kafkaSasl = z
  .strictObject({
    mechanism: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']).meta(say('SASL mechanism.', 'SCRAM-SHA-512')),
    username: text().meta(say('User.', 'isthmus')),
    password: text().meta({
      ...say('Password; take it from the environment.', PASSWORD_EXAMPLE),
      secret: true,
    }),
  })
  .meta(say('How to log in at the brokers. Absent: no log-in.'))

const kafka = z
  .strictObject({
    brokers: z
      .array(hostPort())
      .min(1)
      .meta(say("Some brokers of this data center's cluster; the rest is found through them.", '[kafka-us:9092]')),
    tls: z.preprocess(
      value => (value === true ? {} : value === false || value === 'none' ? undefined : value),
      kafkaTls.optional(),
    ),
    sasl: kafkaSasl.optional(),
    internalTopics: z
      .strictObject({
        replicationFactor: count(1, 9)
          .default(3)
          .meta(say('Replicas of each `__isthmus.*` topic. Less than 3 risks the registry.')),
        minInsyncReplicas: count(1, 9).default(2).meta(say('`min.insync.replicas` of each `__isthmus.*` topic.')),
      })
      .prefault({})
      .meta(say("How the gateway's own topics are created.")),
  })
  .meta(say('The Kafka cluster of this data center.'))

const listen = z
  .strictObject({
    replication: hostPort().prefault('0.0.0.0:7400').meta(say('Where the gateways of other data centers connect.')),
    admin: hostPort()
      .prefault('127.0.0.1:7401')
      .meta(say('gRPC for operators and the command line. Unprotected: keep it on loopback or a trusted network.')),
    http: hostPort().prefault('127.0.0.1:7402').meta(say('`/metrics`, `/healthz`, `/readyz`.')),
  })
  .prefault({})
  .meta(say('Addresses this node listens on. Port 0 takes a free one.'))

const tls = z
  .unknown()
  .transform((value, context): 'none' => {
    if (value !== 'none') {
      const message =
        value === undefined || value === null
          ? 'is missing: links between data centers are not encrypted yet, which must be spelled out; write tls: none'
          : typeof value === 'object'
            ? 'mutual TLS between gateways is not available yet; write tls: none and keep the links inside a VPN'
            : `${JSON.stringify(value)} is not known; write tls: none`
      context.addIssue({ code: 'custom', message })
    }
    return 'none'
  })
  .meta({
    ...say(
      'TLS between gateways. Only `none` exists so far, and it must be spelled out: keep the links inside a private network or VPN.',
      'none',
    ),
    kind: '`none`',
    required: true,
  })

const peer = z.strictObject({
  dc: dcName().meta({ ...say('Name of the other data center.', 'eu'), required: true }),
  addresses: z
    .array(hostPort())
    .default([])
    .meta(
      say(
        "Its gateways' replication addresses; every address a name resolves to is used. Needed unless `via` is set.",
        '["gateway.eu.example:7400"]',
      ),
    ),
  via: z
    .array(dcName())
    .max(8)
    .default([])
    .meta(
      say(
        "Fetch this data center's records from one of these instead, in order of preference; the first is used. Empty: from itself.",
        '[eu]',
      ),
    ),
})

const rule = z.strictObject({
  match: pattern().meta({ ...say('Topics the rule is about.', '"payments.*"'), required: true }),
  allowDcs: z.array(dcName()).meta(say('The only data centers that may fetch them; empty: none.', '[eu]')),
})

const startRule = z
  .strictObject({
    match: pattern().meta({ ...say('Topics the entry is about.', '"clicks.*"'), required: true }),
    from: scalar('start', parseFirstStart).meta({
      ...say('`earliest`, `latest`, or an ISO 8601 time with its zone.', 'latest'),
      required: true,
    }),
    confirmed: z
      .boolean()
      .default(false)
      .meta(
        say(
          'Start from `earliest` although records of others stand in the topic here. Without it such a topic is refused, since what was mirrored before would double.',
        ),
      ),
  })
  .transform(({ match, from, confirmed }): StartRule => ({ match, start: from, confirmed }))

const topics = z
  .strictObject({
    include: patterns().meta(
      say(
        'What this data center wants from its peers: topic names, globs (`*`, `?`) over the whole name, `/regex/`. `[]` for nothing.',
        '["orders", "clicks.*"]',
      ),
    ),
    exclude: patterns().default([]).meta(say('What it does not want although `include` matches.', '["*.internal"]')),
    rules: z
      .array(rule)
      .default([])
      .meta(say('What other data centers may fetch from here; every rule that matches must allow it.')),
    otherwise: z
      .enum(['allow', 'deny'])
      .default('allow')
      .meta(say('What other data centers may do with topics that no rule matches.')),
    rename: scalar('template', textWith(templateProblem))
      .prefault(SAME_NAME_TEMPLATE)
      .meta(say("Name of a fetched topic here. `{origin}.{topic}` gives MirrorMaker 2's names.")),
    start: z
      .preprocess(
        value => (typeof value === 'string' ? [{ match: '*', from: value }] : value),
        z.array(startRule).default([]),
      )
      .meta(
        say(
          'Where a topic that was never fetched begins; the first match decides, without one `earliest`. A single value holds for all.',
          'latest',
        ),
      ),
    onGap: z
      .enum(['skip', 'halt'])
      .default('skip')
      .meta(
        say(
          'When the source no longer has records that were not fetched yet: report the exact range and go on, or halt the partition.',
        ),
      ),
    onRecreated: z
      .enum(['halt', 'restart'])
      .default('halt')
      .meta(
        say(
          'When a topic was deleted and created again at its origin: halt it, or fetch the new one from its beginning.',
        ),
      ),
    onTargetRecreated: z
      .enum(['refill', 'halt'])
      .default('refill')
      .meta(say('When a topic was deleted and created again here: fetch it from its first start again, or halt it.')),
    follow: dcName()
      .optional()
      .meta(
        say(
          'Copy later changes of topic configs from this data center. Absent: configs are copied when a topic is created, later differences are reported.',
          'eu',
        ),
      ),
  })
  .meta(say('Which topics cross, and what happens to them.'))

const flow = z
  .strictObject({
    lanes: count(1, MAX_LANES)
      .default(DEFAULT_LANES)
      .meta(
        say(
          'Shards of a link, the unit of work shared among the nodes of this data center. A larger number adds lanes at the next start; lanes are never taken away.',
        ),
      ),
    laneCreditBytes: size('64KiB', '256MiB')
      .prefault('4MiB')
      .meta(say('Batch bytes that a source may send for a lane before this node has stored them. Bounds memory.')),
    targetBatchBytes: size('16KiB', '16MiB')
      .prefault('512KiB')
      .meta(say('Small batches are joined up to this size (uncompressed) before they are stored.')),
    maxBatchBytes: size('1MiB', '64MiB')
      .prefault('16MiB')
      .meta(say('Largest batch that crosses. A larger one halts its partition, by name.')),
  })
  .prefault({})
  .meta(say('Memory and batch sizes.'))

const breaker = z
  .strictObject({
    openTimeoutMs: duration('100ms', '5m').prefault('3s').meta(say('How long opening a session may take.')),
    stalledAfterMs: duration('1s', '10m')
      .prefault('5s')
      .meta(say('A session that owes something and has not moved for so long counts as a failure.')),
    failures: count(1, 100).default(2).meta(say('Failures in a row that open the breaker of a peer.')),
    retryAfterMs: duration('100ms', '10m')
      .prefault('1s')
      .meta(say('First pause of an open breaker; it doubles, with jitter, up to `retryMaxMs`.')),
    retryMaxMs: duration('1s', '1h').prefault('30s').meta(say('Longest pause of an open breaker.')),
    slowStartMs: duration('0ms', '10m')
      .prefault('5s')
      .meta(say('Time over which lanes come back after a breaker closed.')),
  })
  .prefault({})
  .meta(say('When a peer is left alone for a while, so that it does not slow the others.'))

const groups = z
  .strictObject({
    sessionTimeoutMs: duration('6s', '5m')
      .prefault('10s')
      .meta(
        say(
          'A node of this data center that is silent for so long loses its lanes to the others. Within `group.min.session.timeout.ms` and `group.max.session.timeout.ms` of the brokers.',
        ),
      ),
    rebalanceTimeoutMs: duration('1s', '5m')
      .prefault('10s')
      .meta(say('How long the others wait for a node to answer while lanes move.')),
  })
  .prefault({})
  .meta(say('How the nodes of this data center share lanes.'))

export const gatewaySchema = z.strictObject({
  dc: dcName().meta({
    ...say('Name of this data center. It stands in every record it sends; never change it.', 'us'),
    required: true,
  }),
  node: scalar('text', textWith(nodeNameProblem))
    .prefault(() => hostname())
    .meta({ ...say('Name of this node, different on each node of a data center.', 'us-1'), defaultText: 'host name' }),
  kafka,
  listen,
  tls,
  peers: z.array(peer).max(64).default([]).meta(say('The other data centers to fetch from.')),
  topics,
  flow,
  limits: z
    .strictObject({
      maxReplicationHops: count(1, MAX_REPLICATION_HOPS_LIMIT)
        .default(DEFAULT_MAX_REPLICATION_HOPS)
        .meta(say('Most data centers a record may pass from its origin to here; more is a loop.')),
    })
    .prefault({})
    .meta(say('Limits that protect against mistakes in other data centers.')),
  breaker,
  groups,
  redis: z
    .strictObject({
      url: z
        .string()
        .regex(/^rediss?:\/\//)
        .meta({ ...say('Redis of this data center.', 'redis://redis-us:6379'), secret: true }),
    })
    .optional()
    .meta(say('Only for the local stack, which starts it; accepted here, replication does not use it.')),
  logLevel: z
    .enum(['error', 'warn', 'info', 'debug', 'trace'])
    .default('info')
    .meta(say('How much is logged; can be changed while running.')),
})

type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

/** A valid configuration: every default filled in, every relation checked, secrets in the clear (never log it; see secrets.ts). */
export type GatewayConfig = DeepReadonly<z.output<typeof gatewaySchema>>
export type PeerConfig = GatewayConfig['peers'][number]
export type KafkaConfig = GatewayConfig['kafka']
export type LogLevel = GatewayConfig['logLevel']
