import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/component.ts'
import { type ClusterAdmin, KafkaCluster, openTopicAdmin } from '../../src/kafka/index.ts'
import type { CatalogTopic } from '../../src/route/pull.ts'
import { startChooser } from '../../src/route/start-policy.ts'
import { wishFilter } from '../../src/route/topic-filter.ts'
import { TopicFollower } from '../../src/topics/follow.ts'
import { LocalCatalog } from '../../src/topics/local-catalog.ts'
import type { ReadyTopic } from '../../src/topics/ports.ts'
import { configsToTell } from '../../src/topics/topic-configs.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

const becomes = (expected: () => void) =>
  eventually('what is expected', 30_000, () => {
    expected()
    return true
  })

let kafka: TestCluster
let cluster: KafkaCluster
let admin: ClusterAdmin
let catalog: LocalCatalog
const followers: TopicFollower[] = []

beforeAll(async () => {
  kafka = await startTestCluster()
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'topics' })
  admin = openTopicAdmin(cluster)
  catalog = new LocalCatalog({ admin, clock: systemClock, onTrouble: () => {} })
  await catalog.start()
})

afterAll(async () => {
  for (const follower of followers) await follower.stop(1_000)
  await catalog?.stop(1_000)
  await cluster?.close()
  await kafka?.stop()
})

async function follow(origin: string, copyConfigs = false) {
  const ready = new Map<string, ReadyTopic>()
  const events: string[] = []
  const follower = new TopicFollower(
    {
      origin,
      dcs: ['eu', 'us', 'ap'],
      renameTemplate: '{topic}',
      wish: wishFilter({ include: ['*'], exclude: [] }),
      startOf: startChooser([]),
      onTargetRecreated: 'refill',
      copyConfigs,
    },
    {
      dc: 'us',
      admin,
      catalog,
      clock: systemClock,
      contents: { firstStartWouldDouble: async () => false },
      topics: { ready: topic => ready.set(topic.name, topic), withdrawn: (_origin, name) => ready.delete(name) },
      events: { record: (name, message) => events.push(`${name}: ${message}`) },
    },
  )
  await follower.start()
  followers.push(follower)
  return { follower, ready, events }
}

const offered = (name: string, partitions: number, configs: Record<string, string> = {}): CatalogTopic => ({
  name,
  topicId: `00000000-0000-0000-0000-${name.length.toString().padStart(12, '0')}`,
  partitions,
  configs,
  maxMessageBytes: 0,
})

test('a topic is created as its origin has it, grown with it, and told again when it was created anew here', async () => {
  const { follower, ready } = await follow('eu')
  const configs = { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '5000', 'max.message.bytes': '2000000' }
  follower.remoteCatalog([offered('orders', 3, configs)], [], true)
  await becomes(() =>
    expect(ready.get('orders')).toMatchObject({ partitions: 3, compacted: true, maxMessageBytes: 2_000_000 }),
  )
  const created = (await admin.describeConfigs(['orders'])).get('orders')!
  expect(configsToTell(created)).toEqual(configs)
  expect(created['message.timestamp.before.max.ms']!.value).toBe('9223372036854775807')
  follower.remoteCatalog([offered('orders', 5, configs)], [], false)
  await becomes(() => expect(ready.get('orders')?.partitions).toBe(5))
  expect((await admin.listTopics()).find(topic => topic.name === 'orders')?.partitions).toBe(5)
  const before = ready.get('orders')!.targetTopicId
  await admin.deleteTopic('orders')
  await becomes(() => {
    expect(ready.get('orders')?.targetTopicId).toBeDefined()
    expect(ready.get('orders')?.targetTopicId).not.toBe(before)
  })
})

test('two links that want the same topic at the same moment both get it', async () => {
  const [eu, ap] = [await follow('eu'), await follow('ap')]
  eu.follower.remoteCatalog([offered('shared', 2)], [], true)
  ap.follower.remoteCatalog([offered('shared', 4)], [], true)
  await becomes(() => {
    expect(eu.ready.get('shared')?.partitions).toBe(2)
    expect(ap.ready.get('shared')?.partitions).toBe(4)
  })
  expect([...eu.events, ...ap.events].filter(event => event.startsWith('topic-refused'))).toEqual([])
})

test('what the controller refuses hurts that topic alone, and is told', async () => {
  const { follower, ready, events } = await follow('eu')
  follower.remoteCatalog([offered('impossible', 1, { 'retention.ms': 'soon' }), offered('possible', 1)], [], true)
  await becomes(() => expect(ready.has('possible')).toBe(true))
  await becomes(() =>
    expect(follower.standings().get('impossible')).toMatchObject({
      kind: 'pending',
      why: expect.stringContaining('retention.ms'),
    }),
  )
  expect(ready.has('impossible')).toBe(false)
  expect(events.filter(event => event.startsWith('topic-refused: impossible'))).toHaveLength(1)
})

test('configs that differ are reported, and copied only where that was asked for', async () => {
  await admin.createTopic({ name: 'kept', partitions: 1, configs: { 'retention.ms': '1000', 'segment.ms': '77777' } })
  const { follower, events } = await follow('eu')
  follower.remoteCatalog([offered('kept', 1, { 'retention.ms': '2000' })], [], true)
  await becomes(() => expect(events).toEqual(['config-differs: kept: retention.ms is 1000 here and 2000 at eu']))
  const copying = await follow('ap', true)
  copying.follower.remoteCatalog([offered('kept', 1, { 'retention.ms': '3000' })], [], true)
  await becomes(() => expect(copying.ready.has('kept')).toBe(true))
  const after = (await admin.describeConfigs(['kept'])).get('kept')!
  expect([after['retention.ms']!.value, after['segment.ms']!.value]).toEqual(['3000', '77777'])
})
