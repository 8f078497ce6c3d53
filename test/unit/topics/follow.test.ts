import { beforeEach, describe, expect, test } from 'vitest'
import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { CatalogTopic } from '../../../src/route/pull.ts'
import { type StartRule, startChooser } from '../../../src/route/start-policy.ts'
import { wishFilter } from '../../../src/route/topic-filter.ts'
import type { FollowSettings } from '../../../src/topics/decide.ts'
import { TopicFollower } from '../../../src/topics/follow.ts'
import { CATALOG_POLL_MS, LocalCatalog } from '../../../src/topics/local-catalog.ts'
import type { ReadyTopic } from '../../../src/topics/ports.ts'
import { SimulatedProcess } from '../../support/model/process.ts'
import { ModelTopicAdmin } from '../../support/model/topic-admin.ts'
import { VirtualTime } from '../../support/model/virtual-time.ts'

const remote = (name: string, partitions = 1, more: Partial<CatalogTopic> = {}): CatalogTopic => ({
  name,
  topicId: `remote-${name}`,
  partitions,
  configs: {},
  maxMessageBytes: 0,
  ...more,
})

const NOTHING = { start: [] as StartRule[], include: ['*'], exclude: [] as string[] }

function settings(more: Partial<FollowSettings> & Partial<typeof NOTHING> = {}): FollowSettings {
  const { include, exclude, start } = { ...NOTHING, ...more }
  return {
    origin: 'eu',
    dcs: ['eu', 'us', 'ap'],
    renameTemplate: '{topic}',
    wish: wishFilter({ include, exclude }),
    startOf: startChooser(start),
    onTargetRecreated: 'refill',
    copyConfigs: false,
    ...more,
  }
}

let time: VirtualTime
let admin: ModelTopicAdmin
let catalog: LocalCatalog
let ready: ReadyTopic[]
let withdrawn: string[]
let events: string[]
let filled: Set<string>
let follower: TopicFollower

async function start(given = settings()): Promise<void> {
  const { clock } = new SimulatedProcess('us-1', time)
  catalog = new LocalCatalog({ admin, clock, onTrouble: () => {} })
  follower = new TopicFollower(given, {
    dc: 'us',
    admin,
    catalog,
    clock,
    contents: { firstStartWouldDouble: async (_origin, target) => filled.has(target) },
    topics: { ready: topic => ready.push(topic), withdrawn: (_origin, name, why) => withdrawn.push(`${name}: ${why}`) },
    events: { record: (name, message) => events.push(`${name}: ${message}`) },
  })
  await catalog.start()
  await follower.start()
}

const pass = (ms: number) => time.run(() => false, time.nowMs + ms)

beforeEach(() => {
  time = new VirtualTime()
  admin = new ModelTopicAdmin()
  ready = []
  withdrawn = []
  events = []
  filled = new Set()
})

describe('a topic that the origin offers', () => {
  test('is created with its partitions and the configs that matter, then ready', async () => {
    await start()
    const configs = { 'cleanup.policy': 'compact', 'retention.ms': '1', 'min.insync.replicas': '2' }
    follower.remoteCatalog([remote('orders', 3, { configs })], [], true)
    await pass(100)
    expect(admin.requests).toEqual(['create orders 3'])
    expect(ready).toMatchObject([
      {
        origin: 'eu',
        name: 'orders',
        target: 'orders',
        originTopicId: 'remote-orders',
        partitions: 3,
        compacted: true,
      },
    ])
    expect(admin.configOf('orders', 'retention.ms')).toBe('1')
    expect(admin.configOf('orders', 'min.insync.replicas')).toBeUndefined()
    expect(admin.configOf('orders', 'compression.type')).toBe('producer')
    expect(admin.configOf('orders', 'message.timestamp.type')).toBe('CreateTime')
    expect(admin.configOf('orders', 'message.timestamp.before.max.ms')).toBe('9223372036854775807')
  })

  test('is grown before its new partitions are ready, and those that exist do not wait', async () => {
    admin.put('orders', 2)
    await start()
    follower.remoteCatalog([remote('orders', 5)], [], true)
    await pass(100)
    expect(ready.map(topic => topic.partitions)).toEqual([2, 5])
    expect(admin.requests).toEqual(['grow orders 5'])
  })

  test('keeps the partitions that another data center has more', async () => {
    admin.put('orders', 7)
    await start()
    follower.remoteCatalog([remote('orders', 5)], [], true)
    await pass(100)
    expect(ready.map(topic => topic.partitions)).toEqual([5])
    expect(admin.requests).toEqual([])
  })

  test('is renamed by the template, and replicas there are not replicated again', async () => {
    await start(settings({ renameTemplate: '{origin}.{topic}' }))
    follower.remoteCatalog([remote('orders'), remote('us.orders'), remote('ap.clicks')], [], true)
    await pass(100)
    expect(ready.map(topic => [topic.name, topic.target])).toEqual([['orders', 'eu.orders']])
    expect(follower.standings().get('us.orders')).toMatchObject({ kind: 'refused', reason: 'replica' })
    expect(follower.standings().get('ap.clicks')).toMatchObject({ kind: 'refused', reason: 'replica' })
  })

  test('that nobody here wants, or that the source refuses, is refused with the reason', async () => {
    await start(settings({ include: ['orders', 'secret'] }))
    follower.remoteCatalog(
      [remote('clicks'), remote('secret', 1, { refused: 'the rule "secret" allows ap, not us' })],
      [],
      true,
    )
    await pass(100)
    expect(follower.standings().get('clicks')).toMatchObject({
      reason: 'wish',
      why: 'no pattern of topics.include matches',
    })
    expect(follower.standings().get('secret')).toMatchObject({
      reason: 'source',
      why: 'eu refuses it: the rule "secret" allows ap, not us',
    })
    expect(events).toEqual(['topic-refused: secret: eu refuses it: the rule "secret" allows ap, not us'])
  })

  test('is withdrawn when it is excluded, refused, or gone', async () => {
    await start()
    follower.remoteCatalog([remote('a'), remote('b'), remote('c')], [], true)
    await pass(100)
    follower.remoteCatalog([], ['a'], false)
    follower.remoteCatalog([remote('b', 1, { refused: 'no' })], [], false)
    follower.reconfigure(settings({ exclude: ['c'] }))
    await pass(100)
    expect(withdrawn).toEqual(['a: the origin has it no longer', 'b: eu refuses it: no', 'c: topics.exclude has "c"'])
  })

  test('is told again when it was created anew at the origin', async () => {
    await start()
    follower.remoteCatalog([remote('orders')], [], true)
    await pass(100)
    follower.remoteCatalog([remote('orders', 1, { topicId: 'another' })], [], false)
    await pass(100)
    expect(ready.map(topic => topic.originTopicId)).toEqual(['remote-orders', 'another'])
  })
})

describe('a first start on a filled target', () => {
  beforeEach(() => {
    admin.put('orders', 1)
    filled.add('orders')
  })

  test('is refused with what to do, until the operator confirms', async () => {
    await start()
    follower.remoteCatalog([remote('orders')], [], true)
    await pass(100)
    expect(ready).toEqual([])
    expect(follower.standings().get('orders')).toMatchObject({
      kind: 'refused',
      reason: 'filled',
      hint: expect.stringContaining('latest'),
    })
    follower.reconfigure(settings({ start: [{ match: 'orders', start: { kind: 'earliest' }, confirmed: true }] }))
    await pass(100)
    expect(ready).toHaveLength(1)
  })

  test('goes ahead from the latest record', async () => {
    await start(settings({ start: [{ match: '*', start: { kind: 'latest' }, confirmed: false }] }))
    follower.remoteCatalog([remote('orders')], [], true)
    await pass(100)
    expect(ready).toMatchObject([{ start: { kind: 'latest' } }])
  })

  test('is looked at again: the records there may go', async () => {
    await start()
    follower.remoteCatalog([remote('orders')], [], true)
    await pass(100)
    filled.clear()
    await pass(31_000)
    expect(ready).toHaveLength(1)
  })
})

describe('trouble with one topic', () => {
  test('hurts that topic alone, is told once, and is tried again ever more slowly', async () => {
    const tries: number[] = []
    admin.refuse = request => {
      if (!request.startsWith('create bad')) return
      tries.push(Math.round(time.nowMs / 1000))
      throw new KafkaFailure('denied', 'TOPIC_AUTHORIZATION_FAILED', 'CREATE on bad is missing')
    }
    await start()
    follower.remoteCatalog([remote('bad'), remote('good')], [], true)
    await pass(20_000)
    expect(ready.map(topic => topic.name)).toEqual(['good'])
    expect(follower.standings().get('bad')).toEqual({ kind: 'pending', why: 'CREATE on bad is missing' })
    expect(tries).toEqual([0, 1, 3, 7, 15])
    expect(events.filter(event => event.startsWith('topic-refused'))).toEqual([
      'topic-refused: bad: CREATE on bad is missing',
    ])
    admin.refuse = () => {}
    await pass(60_000)
    expect(ready.map(topic => topic.name)).toEqual(['good', 'bad'])
  })

  test('a growth that fails leaves the partitions that exist running', async () => {
    admin.put('orders', 2)
    admin.refuse = request => {
      if (request.startsWith('grow')) throw new KafkaFailure('denied', 'TOPIC_AUTHORIZATION_FAILED', 'ALTER is missing')
    }
    await start()
    follower.remoteCatalog([remote('orders', 5)], [], true)
    await pass(100)
    expect(follower.standings().get('orders')).toMatchObject({ kind: 'ready', topic: { partitions: 2 } })
    expect(withdrawn).toEqual([])
    admin.refuse = () => {}
    await pass(2_000)
    expect(ready.map(topic => topic.partitions)).toEqual([2, 5])
  })

  test('a topic that another node creates at the same moment is no trouble', async () => {
    await start()
    admin.refuse = request => {
      if (request.startsWith('create orders')) admin.put('orders', 3)
    }
    follower.remoteCatalog([remote('orders', 3)], [], true)
    await pass(100)
    expect(ready).toHaveLength(1)
    expect(events).toEqual([])
  })

  test('a cluster that does not answer leaves the catalog as it was', async () => {
    await start()
    follower.remoteCatalog([remote('orders')], [], true)
    await pass(100)
    admin.refuse = () => {
      throw new KafkaFailure('ambiguous', 'CONNECTION_LOST', 'simulated')
    }
    await pass(10_000)
    expect([withdrawn, catalog.get('orders')?.partitions]).toEqual([[], 1])
  })
})

describe('what changes later', () => {
  test('a new topic of the origin is ready at once, a new local partition within a poll', async () => {
    await start()
    follower.remoteCatalog([remote('orders', 4)], [], true)
    await pass(100)
    admin.put('clicks', 1)
    follower.remoteCatalog([remote('clicks', 2)], [], false)
    await pass(200)
    expect(ready.map(topic => [topic.name, topic.partitions])).toEqual([
      ['orders', 4],
      ['clicks', 1],
      ['clicks', 2],
    ])
  })

  test('a replica that was deleted here is created again, or halted, by the policy', async () => {
    await start()
    follower.remoteCatalog([remote('orders')], [], true)
    await pass(100)
    admin.delete('orders')
    await pass(CATALOG_POLL_MS + 200)
    expect(ready.map(topic => topic.targetTopicId)).toEqual(['id-1', 'id-2'])
    follower.reconfigure(settings({ onTargetRecreated: 'halt' }))
    admin.delete('orders')
    await pass(CATALOG_POLL_MS + 200)
    expect(follower.standings().get('orders')).toMatchObject({ kind: 'refused', reason: 'deleted-here' })
    await pass(60_000)
    expect(admin.requests).toEqual(['create orders 1', 'create orders 1'])
    admin.put('orders', 1)
    await pass(CATALOG_POLL_MS + 200)
    expect(follower.standings().get('orders')).toMatchObject({ kind: 'ready' })
  })

  test('other configs here are reported once and left alone', async () => {
    admin.put('orders', 1, { 'retention.ms': '5' })
    await start()
    const configs = { 'retention.ms': '7' }
    follower.remoteCatalog([remote('orders', 1, { configs })], [], true)
    await pass(100)
    follower.remoteCatalog([remote('orders', 1, { configs })], [], true)
    await pass(100)
    expect(events).toEqual(['config-differs: orders: retention.ms is 5 here and 7 at eu'])
    expect(admin.requests).toEqual([])
  })

  test('with follow, configs of the origin are copied', async () => {
    admin.put('orders', 1, { 'retention.ms': '5' })
    await start(settings({ copyConfigs: true }))
    follower.remoteCatalog([remote('orders', 1, { configs: { 'retention.ms': '7' } })], [], true)
    await pass(100)
    expect(admin.requests).toEqual(['set orders {"retention.ms":"7"}'])
    expect(follower.standings().get('orders')).toMatchObject({ kind: 'ready', differences: [] })
  })

  test('the catalog tells what was added, grown, created anew, changed and deleted', async () => {
    admin.put('a', 1)
    admin.put('b', 1)
    admin.put('c', 1)
    await start()
    const seen: string[] = []
    catalog.subscribe(changes => {
      for (const change of changes)
        seen.push(`${change.kind} ${'topic' in change ? change.topic.name : change.before.name}`)
    })
    admin.put('a', 1)
    await admin.growPartitions('b', 2)
    admin.delete('c')
    admin.put('d', 1)
    await pass(CATALOG_POLL_MS + 100)
    expect(seen.sort()).toEqual(['added d', 'deleted c', 'grown b', 'recreated a'])
    await admin.setConfigs('b', { 'retention.ms': '9' })
    await pass(61_000)
    expect(seen.at(-1)).toBe('reconfigured b')
  })
})
