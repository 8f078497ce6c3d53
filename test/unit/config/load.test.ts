import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clusterSettings } from '../../../src/config/cluster-settings.ts'
import { loadConfig, parseConfig } from '../../../src/config/load.ts'
import type { GatewayConfig } from '../../../src/config/schema.ts'
import { maskSecrets } from '../../../src/config/secrets.ts'
import { configSource } from '../../../src/config/source.ts'
import { GatewayError } from '../../../src/errors.ts'

const SMALL = `
dc: us
kafka: { brokers: ["kafka:9092"] }
tls: none
peers: [{ dc: eu, addresses: ["eu:7400"] }]
topics: { include: ["*"] }
`

function valid(text: string, environment: Record<string, string> = {}): GatewayConfig {
  const reading = parseConfig(text, { environment })
  if (!reading.ok) throw new Error(reading.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  return reading.config
}

/** `line:column path: message` of each mistake. */
function mistakes(text: string): string[] {
  const reading = parseConfig(text, { environment: {} })
  if (reading.ok) return []
  return reading.problems.map(({ line, column, path, message }) => `${line ?? 0}:${column ?? 0} ${path}: ${message}`)
}

/** SMALL with one top-level key replaced or added. */
function withKey(key: string, value: string): string {
  const lines = SMALL.trim()
    .split('\n')
    .filter(line => !line.startsWith(`${key}:`))
  return [...lines, `${key}: ${value}`].join('\n')
}

describe('a valid config', () => {
  test('gets every default filled in, in base units', () => {
    expect(valid(SMALL)).toMatchObject({
      dc: 'us',
      kafka: { brokers: [{ host: 'kafka', port: 9092 }], internalTopics: { replicationFactor: 3 } },
      listen: { replication: { host: '0.0.0.0', port: 7400 }, admin: { host: '127.0.0.1', port: 7401 } },
      tls: 'none',
      topics: { exclude: [], rename: '{topic}', start: [], onGap: 'skip', otherwise: 'allow' },
      flow: { lanes: 16, laneCreditBytes: 4 * 2 ** 20, targetBatchBytes: 512 * 2 ** 10, maxBatchBytes: 16 * 2 ** 20 },
      limits: { maxReplicationHops: 3 },
      breaker: { openTimeoutMs: 3000, retryMaxMs: 30_000 },
      logLevel: 'info',
    })
    expect(valid(SMALL).node).not.toBe('')
  })

  test.each([
    ['250ms', 250],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['400', 400],
  ])('reads the duration %s', (written, ms) => {
    expect(valid(`${SMALL}breaker: { openTimeoutMs: ${written} }`).breaker.openTimeoutMs).toBe(ms)
  })

  test.each([
    ['1MB', 1_000_000],
    ['1MiB', 1_048_576],
    ['512KiB', 524_288],
    ['70000', 70_000],
  ])('reads the size %s', (written, bytes) => {
    expect(valid(`${SMALL}flow: { laneCreditBytes: ${written} }`).flow.laneCreditBytes).toBe(bytes)
  })

  test('takes one start for all topics, or one per pattern', () => {
    expect(valid(withKey('topics', '{ include: ["*"], start: latest }')).topics.start).toEqual([
      { match: '*', start: { kind: 'latest' }, confirmed: false },
    ])
    const entries = '[{ match: a, from: earliest, confirmed: true }, { match: b, from: 2026-01-31T00:00:00Z }]'
    expect(valid(withKey('topics', `{ include: ["*"], start: ${entries} }`)).topics.start).toEqual([
      { match: 'a', start: { kind: 'earliest' }, confirmed: true },
      { match: 'b', start: { kind: 'timestamp', timestampMs: Date.UTC(2026, 0, 31) }, confirmed: false },
    ])
  })

  test('reads IPv6 addresses in brackets', () => {
    const config = valid(withKey('kafka', '{ brokers: ["[::1]:9092"] }'))
    expect(config.kafka.brokers).toEqual([{ host: '::1', port: 9092 }])
    expect(clusterSettings(config).brokers).toEqual(['[::1]:9092'])
  })

  test('may list peers without addresses where it fetches nothing: they fetch', () => {
    expect(
      mistakes('dc: us\nkafka: { brokers: ["k:1"] }\ntls: none\npeers: [{ dc: eu }]\ntopics: { include: [] }'),
    ).toEqual([])
  })
})

describe('secrets', () => {
  const saslWith = (password: string) =>
    `{ brokers: ["k:1"], sasl: { mechanism: PLAIN, username: me, password: "${password}" } }`
  const sasl = saslWith(`\${PW}`)

  test('come from the environment and are masked when the config is shown', () => {
    const config = valid(withKey('kafka', sasl), { PW: 'hush' })
    expect(config.kafka.sasl?.password).toBe('hush')
    expect(JSON.stringify(maskSecrets(config))).not.toContain('hush')
    expect(maskSecrets(config)).toMatchObject({ dc: 'us', kafka: { sasl: { username: 'me', password: '***' } } })
  })

  test('what stands in a variable cannot change the structure of the file', () => {
    const config = valid(withKey('kafka', sasl), { PW: 'x", evil: { a: b }\n' })
    expect(config.kafka.sasl?.password).toBe('x", evil: { a: b }\n')
  })

  test('a literal ${ is written $${', () => {
    const escaped = saslWith(`$\${PW}`)
    expect(valid(withKey('kafka', escaped)).kafka.sasl?.password).toBe(`\${PW}`)
  })

  test('never stand in a message', () => {
    const text = `${SMALL}redis: { url: "http://:hush@redis" }`
    expect(mistakes(text).join()).toMatch(/redis\.url/)
    expect(mistakes(text).join()).not.toContain('hush')
  })
})

describe('mistakes', () => {
  test('are all reported at once, in the order of the file, each with its place', () => {
    const text = `
dc: US
nod: us-1
kafka:
  brokers: [kafka-us]
  sasl: { mechanism: SCRAM, username: a, password: "\${NOPE}" }
tls: { ca: x }
peers:
  - { dc: eu, addresses: ["eu:7400"], viaa: [ap] }
topics:
  includes: ["*"]
flow:
  laneCreditBytes: lots
`
    expect(mistakes(text)).toEqual([
      '2:1 dc: "US" is not a data center name: 1 to 32 lower-case letters, digits and inner dashes (eu, us-east-1)',
      '3:1 nod: there is no such key; did you mean node?',
      '5:13 kafka.brokers[0]: "kafka-us" has no port; write host:port, for example kafka-us:9092',
      '6:11 kafka.sasl.mechanism: "SCRAM" is not known; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512',
      '6:42 kafka.sasl.password: the environment variable NOPE is not set; set it, or write the value here',
      '7:1 tls: mutual TLS between gateways is not available yet; write tls: none and keep the links inside a VPN',
      '9:39 peers[0].viaa: there is no such key; did you mean via?',
      '10:1 topics.include: is missing. What this data center wants from its peers: topic names, globs (`*`, `?`) over the whole name, `/regex/`. `[]` for nothing. Write for example include: ["orders", "clicks.*"]',
      '11:3 topics.includes: there is no such key; did you mean include?',
      '13:3 flow.laneCreditBytes: "lots" is not a size; write a number with B, KB, MB, GB, KiB, MiB or GiB, for example 4MiB',
    ])
  })

  test.each([
    ['tls', 'yes', 'tls: "yes" is not known; write tls: none'],
    ['logLevel', 'wran', 'logLevel: "wran" is not known; write error, warn, info, debug or trace (did you mean warn?)'],
    ['listen', '{ http: "127.0.0.1:99999" }', 'listen.http: 99999 is not a port; ports go up to 65535'],
    ['listen', '{ admin: "http://x:1" }', 'listen.admin: "http://x:1" is a URL; write host:port alone'],
    [
      'listen',
      '{ admin: "0.0.0.0:7400" }',
      'listen.admin: port 7400 is taken by listen.replication; give each its own',
    ],
    ['peers', '[{ dc: us, addresses: ["a:1"] }]', 'peers[0]: us is this data center itself: it has no link to itself'],
    ['peers', '[{ dc: eu, addresses: ["a:1"] }, { dc: eu, addresses: ["b:1"] }]', 'peers[1]: eu is listed twice'],
    ['peers', '[{ dc: eu, via: [ap] }]', 'peers[0]: eu via ap: ap is not among the peers'],
    ['peers', '[{ dc: eu }]', 'peers[0]: eu has no addresses: give some, or a relay with via'],
    [
      'peers',
      '[{ dc: eu, addresses: ["a:1"] }, { dc: ap, addresses: ["a:1"] }]',
      'peers[1].addresses[0]: a:1 is already an address of eu',
    ],
    ['peers', 'eu', 'peers: must be a list, not "eu"'],
    ['peers', '[]', 'topics.include: topics are wanted, but there are no peers to fetch them from'],
    [
      'topics',
      '{ include: ["a,b"] }',
      'topics.include[0]: "a,b" can match no topic: names have letters, digits, dots, underscores and dashes; * and ? are wildcards',
    ],
    [
      'topics',
      '{ include: ["/(/"] }',
      'topics.include[0]: /(/ is not a regular expression: Invalid regular expression: /(/u: Unterminated group',
    ],
    [
      'topics',
      '{ include: [a], exclude: [a] }',
      'topics.exclude[0]: "a" is in include as well; exclude wins, so take it out of one of them',
    ],
    [
      'topics',
      '{ include: [a], exclude: ["*"] }',
      'topics.exclude[0]: "*" takes back everything that include wants; write include: [] for nothing',
    ],
    [
      'topics',
      '{ include: [a], rename: "{origin}" }',
      'topics.rename: the template "{origin}" must contain {topic} exactly once',
    ],
    [
      'topics',
      '{ include: [a], start: soon }',
      'topics.start[0].from: "soon" is not a start: earliest, latest, or a time with its zone such as 2026-03-01T00:00:00Z',
    ],
    [
      'topics',
      '{ include: [a], start: [{ match: "*", from: latest }, { match: a, from: earliest }] }',
      'topics.start[0]: "*" decides for every topic, so the entries after it never count; put it last',
    ],
    [
      'topics',
      '{ include: [a], start: [{ match: a, from: latest, confirmed: true }] }',
      'topics.start[0].confirmed: only a start from earliest can double records and needs confirming; take it out',
    ],
    [
      'topics',
      '{ include: [a], rules: [{ match: a, allowDcs: [us] }] }',
      'topics.rules[0].allowDcs[0]: us is this data center; rules name the others that may fetch',
    ],
    ['topics', '{ include: [a], follow: mars }', 'topics.follow: mars is not among the peers'],
    ['flow', '{ lanes: 0 }', 'flow.lanes: must be at least 1'],
    ['flow', '{ lanes: many }', 'flow.lanes: must be a number, not "many"'],
    ['flow', '{ laneCreditBytes: 1KB }', 'flow.laneCreditBytes: must be between 64KiB and 256MiB'],
    [
      'flow',
      '{ targetBatchBytes: 8MiB, maxBatchBytes: 1MiB }',
      'flow.targetBatchBytes: must not be above flow.maxBatchBytes',
    ],
    ['breaker', '{ retryAfterMs: 20s, retryMaxMs: 10s }', 'breaker.retryMaxMs: must not be below breaker.retryAfterMs'],
    ['kafka', '{ brokers: [] }', 'kafka.brokers: must not be empty'],
    [
      'kafka',
      '{ brokers: ["k:1"], internalTopics: { replicationFactor: 1 } }',
      'kafka.internalTopics.minInsyncReplicas: 2 in-sync replicas of 1 can never be reached',
    ],
    [
      'kafka',
      '{ brokers: ["k:1"], tls: { cert: /no/such } }',
      'kafka.tls: cert and key belong together; give both or neither',
    ],
    ['kafka', '{ brokers: ["k:1"], tls: { ca: /no/such } }', 'kafka.tls.ca: /no/such cannot be read'],
  ])('%s: %s', (key, value, message) => {
    expect(mistakes(withKey(key, value)).map(text => text.replace(/^\d+:\d+ /, ''))).toContain(message)
  })

  test('a missing mapping is named with what it is for', () => {
    expect(mistakes('dc: us\ntls: none\ntopics: { include: [] }')).toEqual([
      '0:0 kafka: is missing. The Kafka cluster of this data center.',
    ])
  })

  test('an empty file misses everything that is required', () => {
    expect(mistakes('').map(text => text.split(' ')[1])).toEqual(['dc:', 'kafka:', 'tls:', 'topics:'])
  })

  test('what is no YAML is said with its place', () => {
    expect(mistakes('dc: us\nkafka: [')[0]).toMatch(/^2:9 : not valid YAML: /)
  })

  test('a list where a mapping belongs is said so', () => {
    expect(mistakes('- a')).toEqual(['0:0 : must be a mapping (key: value), not ["a"]'])
  })
})

describe('a file', () => {
  function fileWith(text: string): string {
    const directory = mkdtempSync(join(tmpdir(), 'config-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'isthmus.yaml')
    writeFileSync(file, text)
    return file
  }

  test('that is not there, or wrong, is one GatewayError with all mistakes', () => {
    expect(() => loadConfig('/no/such.yaml')).toThrow(
      /^\/no\/such\.yaml has one mistake:\n.*\n.*there is no such file$/,
    )
    const file = fileWith('dc: US\ntls: yes')
    expect(() => loadConfig(file)).toThrow(GatewayError)
    expect(() => loadConfig(file)).toThrow(`${file}:2:1\n    tls: "yes" is not known; write tls: none`)
  })

  test('names other files relative to itself', () => {
    const file = fileWith(withKey('kafka', '{ brokers: ["k:1"], tls: { ca: isthmus.yaml } }'))
    const config = loadConfig(file)
    expect(config.kafka.tls?.ca).toBe(file)
    expect(clusterSettings(config).tls?.ca?.toString()).toContain('isthmus.yaml')
  })
})

test('fields that are wrong do not hide what the right ones contradict', () => {
  const text =
    'dc: us\ntls: yes\nlogLevel: loud\nkafka: { brokers: ["k:1"] }\npeers: [{ dc: us, addresses: ["x:1"] }]\n'
  const reading = parseConfig(`${text}topics: { include: ["/[/"], inclde: [] }\n`)
  const paths = reading.ok ? [] : reading.problems.map(problem => problem.path)
  expect(paths).toEqual(['tls', 'logLevel', 'peers[0]', 'topics.include[0]', 'topics.inclde'])
})

test('subscribers get each later snapshot until they stop', () => {
  const [first, second, third] = [valid(SMALL), valid(withKey('logLevel', 'warn')), valid(withKey('logLevel', 'error'))]
  const source = configSource(first!)
  const seen: string[] = []
  const stop = source.subscribe(config => seen.push(config.logLevel))
  source.replace(second!)
  stop()
  source.replace(third!)
  expect(seen).toEqual(['warn'])
  expect(source.current()).toBe(third)
})
