import { describe, expect, test } from 'vitest'
import type { LinkAnswer, StatusAnswer, TopicAnswer } from '../../../src/cli/admin-messages.ts'
import { findingLines, verdictLines } from '../../../src/cli/check.ts'
import { eventLine } from '../../../src/cli/events.ts'
import { linkLines } from '../../../src/cli/links.ts'
import { mergeLinks } from '../../../src/cli/links-merge.ts'
import { statusLines } from '../../../src/cli/status.ts'

const NOW_MS = 1_800_000_000_000

function topic(name: string, over: Partial<TopicAnswer> = {}): TopicAnswer {
  return {
    topic: name,
    targetTopic: name,
    lag: { records: 10, bytes: 2500, seconds: 0.4 },
    rate: { recordsPerSecond: 1200, bytesPerSecond: 300_000 },
    counts: { starting: 0, running: 3, waiting: 0, halted: 0, paused: 0 },
    partitions: [],
    refused: '',
    ...over,
  }
}

function link(over: Partial<LinkAnswer> = {}): LinkAnswer {
  return {
    link: 'eu->us',
    origin: 'eu',
    dc: 'us',
    path: ['eu'],
    state: 'running',
    reason: '',
    breaker: { state: 'closed', reason: '', sinceMs: 0 },
    peerNode: 'eu-1',
    peerAddress: '10.0.0.1:7400',
    lanesOwned: [0, 1],
    lanesTotal: 4,
    lag: { records: 10, bytes: 2500, seconds: 0.4 },
    rate: { recordsPerSecond: 1200, bytesPerSecond: 300_000 },
    partitions: { starting: 0, running: 3, waiting: 0, halted: 0, paused: 0 },
    topics: [topic('orders')],
    ...over,
  }
}

const shown = (answer: LinkAnswer, width = 80) =>
  linkLines(mergeLinks([{ node: 'us-1', links: [answer], members: [] }])[0]!, NOW_MS, width)

describe('links', () => {
  test('a healthy link is a headline and its topics', () => {
    expect(shown(link())).toEqual([
      'eu->us  running  direct  breaker closed  lanes 2/4',
      '  TOPIC   PARTITIONS  LAG   BYTES   AGE  RECORDS/S  BYTES/S',
      '  orders  3            10  2.5 kB  0.4s      1,200   300 kB',
    ])
  })

  test('what is wrong is said below the headline and below the table', () => {
    const halted = {
      partition: 1,
      lane: 1,
      state: 'halted',
      reason: 'over max.message.bytes',
      code: 'BATCH_TOO_LARGE',
      position: 5,
      highWatermark: 9,
      mode: 'plain',
    }
    const answer = link({
      path: ['eu', 'ap'],
      state: 'down',
      reason: 'no address answers',
      breaker: { state: 'open', reason: 'connection refused', sinceMs: NOW_MS - 12_000 },
      topics: [
        topic('orders', {
          counts: { starting: 0, running: 2, waiting: 0, halted: 1, paused: 0 },
          partitions: [halted],
        }),
        topic('secret', { refused: 'the rule "s*" allows ap, not us' }),
      ],
    })
    const lines = shown(answer)
    expect(lines[0]).toBe('eu->us  down  via ap  breaker open  lanes 2/4')
    expect(lines).toContain('  down: no address answers')
    expect(lines).toContain('  breaker open for 12s: connection refused')
    expect(lines).toContain('    orders[1] BATCH_TOO_LARGE: over max.message.bytes')
    expect(lines).toContain('  not replicated: secret: the rule "s*" allows ap, not us')
    expect(lines.join('\n')).toContain('2/3 running')
  })

  test('nothing is wider than the terminal', () => {
    const wide = topic('a.topic.with.a.name.that.nobody.would.ever.want.to.type', {
      lag: { records: 1_234_567_890, bytes: 9e12, seconds: 400_000 },
      rate: { recordsPerSecond: 1_234_567, bytesPerSecond: 3e8 },
      counts: { starting: 100, running: 400, waiting: 0, halted: 0, paused: 0 },
    })
    const answer = link({ topics: [wide], state: 'down', reason: 'words '.repeat(40).trim() })
    for (const line of shown(answer)) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  test('the shares of two nodes are put together, and the worse state counts', () => {
    const other = link({ lanesOwned: [2, 3], state: 'connecting', topics: [topic('orders'), topic('clicks')] })
    const merged = mergeLinks([
      { node: 'us-1', links: [link()] },
      { node: 'us-2', links: [other] },
    ])
    expect(merged).toHaveLength(1)
    expect(merged[0]).toMatchObject({
      state: 'connecting',
      lanesOwned: [0, 1, 2, 3],
      lag: { records: 20, bytes: 5000, seconds: 0.4 },
      nodes: [
        { node: 'us-1', lanes: 2 },
        { node: 'us-2', lanes: 2 },
      ],
      topics: [{ topic: 'clicks' }, { topic: 'orders', lag: { records: 20 }, counts: { running: 6 } }],
    })
    expect(linkLines(merged[0]!, NOW_MS, 80)[0]).toContain('lanes 4/4 (us-1 2, us-2 2)')
  })

  test('lanes of nodes that did not answer are named, and those that nobody has', () => {
    const members = [
      { node: 'us-1', lanes: 2, laneNumbers: [0, 1] },
      // As it was a moment ago: what us-1 says of itself is newer.
      { node: 'us-2', lanes: 2, laneNumbers: [1, 2] },
    ]
    const [merged] = mergeLinks([{ node: 'us-1', links: [link()], members }])
    expect(merged).toMatchObject({ others: [{ node: 'us-2', lanes: [2] }], unowned: [3] })
    const text = linkLines(merged!, NOW_MS, 80)
    expect(text[1]).toBe('  not shown: lanes 2, which us-2 has')
    expect(text[2]).toBe('  no node has lanes 3: they are on their way to another')
  })
})

test('status says what is not ready, and why', () => {
  const status: StatusAnswer = {
    dc: 'us',
    node: 'us-1',
    version: '0.1.0',
    state: 'running',
    startedAtMs: NOW_MS - 90_000,
    kafka: { clusterId: 'abc', reachable: true, brokers: 3, problem: '' },
    checks: [{ name: 'registry', ok: false, why: 'still reading' }],
    members: [{ node: 'us-1', lanes: 16, laneNumbers: [] }],
    served: [{ peerDc: 'eu', peerNode: 'eu-1', address: 'x', link: 'us->eu', sinceMs: 0 }],
    memory: { boundBytes: 2e8, bufferedBytes: 3e6, rssBytes: 1.5e8 },
    logLevel: 'info',
    links: 1,
    haltedPartitions: 2,
  }
  expect(statusLines(status, NOW_MS, 80)).toEqual([
    'us-1  NOT READY  running for 1m 30s  isthmus 0.1.0',
    '  not ready   registry: still reading',
    '  dc          us',
    '  kafka       3 brokers, cluster abc',
    '  lanes       us-1 has 16',
    '  fetches     1 link, 2 partitions HALTED (see isthmus links)',
    '  serves      eu-1 (us->eu)',
    '  memory      3 MB buffered of at most 200 MB; process 150 MB',
    '  log level   info',
  ])
})

test('an event is one line with its place and exact range', () => {
  const event = {
    sequence: 1,
    timeMs: NOW_MS,
    name: 'gap',
    level: 'warn',
    message: 'lost',
    link: 'eu->us',
    peer: '',
    topic: 'orders',
  }
  const line = eventLine({ ...event, partition: 3, fromOffset: 100, toOffset: 250 }, 'us-1')
  expect(line.slice(20)).toBe('warn  us-1 gap eu->us orders[3] 100..250: lost')
})

describe('check', () => {
  test('a finding says where, what and what to do', () => {
    const finding = {
      level: 'error',
      where: 'topic orders',
      what: 'Write: not allowed',
      whatToDo: 'add the ACL',
    } as const
    expect(findingLines(finding, 80)).toEqual([
      '  ERROR   topic orders: Write: not allowed',
      '          -> add the ACL',
    ])
  })

  test('verdicts name the topic, its name here, and why', () => {
    const lines = verdictLines(
      [
        { link: 'eu->us', topic: 'orders', target: 'eu.orders', crosses: true, why: 'topics.include has "*"' },
        { link: 'eu->us', topic: 'x', crosses: false, why: 'no pattern of topics.include matches' },
      ],
      80,
    )
    expect(lines[1]).toBe('eu->us  orders as eu.orders  yes      topics.include has "*"')
    expect(lines[2]).toBe('eu->us  x                    no       no pattern of topics.include matches')
  })
})
