import { afterAll, beforeAll, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import {
  type ClusterAdmin,
  type ClusterTargetLog,
  KafkaCluster,
  openTable,
  openTargetLog,
  openTopicAdmin,
} from '../../src/kafka/index.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

let kafka: TestCluster
let cluster: KafkaCluster
let other: KafkaCluster
let log: ClusterTargetLog
let admin: ClusterAdmin

const compacted = { 'cleanup.policy': 'compact' }

function table(on: KafkaCluster, topic: string) {
  const opened = openTable<number>(on, openTargetLog(on), {
    topic,
    encode: value => Buffer.from(String(value)),
    decode: (bytes, key) => {
      const value = Number(bytes.toString())
      if (Number.isNaN(value)) throw new GatewayError('REGISTRY_BROKEN', 'process', `${key} is no number`)
      return value
    },
    partitionBy: key => key.split('/')[0]!,
  })
  const changes: [string, number | null][] = []
  opened.onChange((key, value) => changes.push([key, value]))
  return { table: opened, changes }
}

beforeAll(async () => {
  kafka = await startTestCluster()
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'one' })
  other = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'other' })
  log = openTargetLog(cluster)
  admin = openTopicAdmin(cluster)
})

afterAll(async () => {
  log?.close()
  await cluster?.close()
  await other?.close()
  await kafka?.stop()
})

test('what one node puts, another reads: at start, when it catches up, and by itself', async () => {
  await admin.createTopic({ name: 'shared', partitions: 3, configs: compacted })
  const one = table(cluster, 'shared')
  await one.table.start()
  await Promise.all(Array.from({ length: 500 }, (_, i) => one.table.put(`k${i}`, i)))
  expect(one.table.get('k7')).toBe(7)
  const two = table(other, 'shared')
  await two.table.start()
  expect(two.table.size).toBe(500)
  await one.table.put('k7', 700)
  await one.table.put('k8', null)
  await two.table.catchUp()
  expect(two.table.get('k7')).toBe(700)
  expect(two.table.get('k8')).toBeUndefined()
  expect([...two.table.entries()]).toHaveLength(499)
  await two.table.put('k9', 900)
  await eventually('the first one follows', 10_000, () => one.table.get('k9') === 900)
  expect(one.changes.filter(([key]) => key === 'k7')).toEqual([
    ['k7', 7],
    ['k7', 700],
  ])
  await one.table.stop()
  await two.table.stop()
})

test('keys that belong together share a partition', async () => {
  await admin.createTopic({ name: 'grouped', partitions: 8, configs: compacted })
  const { table: grouped } = table(cluster, 'grouped')
  await grouped.start()
  for (const key of ['a/1', 'a/2', 'a']) expect(grouped.partitionOf(key)).toBe(grouped.partitionOf('a'))
  await grouped.stop()
})

test('a topic that does not exist is no table', async () => {
  await expect(table(cluster, 'nowhere').table.start()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
})

test('a table whose topic is created again ends and says so', async () => {
  await admin.createTopic({ name: 'lost', partitions: 1, configs: compacted })
  const { table: lost } = table(cluster, 'lost')
  await lost.start()
  await lost.put('a', 1)
  const ends: unknown[] = []
  lost.onEnd(error => ends.push(error))
  await admin.deleteTopic('lost')
  await eventually('gone', 10_000, async () => (await cluster.metadata.refresh('lost')) === undefined)
  await admin.createTopic({ name: 'lost', partitions: 1, configs: compacted })
  await eventually('the end', 30_000, () => ends.length === 1)
  expect(ends[0]).toMatchObject({ code: 'TABLE_LOST' })
  await expect(lost.put('a', 2)).rejects.toMatchObject({ code: 'TABLE_LOST' })
}, 60_000)

test('an entry that cannot be understood ends the table', async () => {
  await admin.createTopic({ name: 'strange', partitions: 1, configs: compacted })
  const strange = openTable<string>(cluster, log, {
    topic: 'strange',
    encode: text => Buffer.from(text),
    decode: String,
  })
  await strange.start()
  await strange.put('a', 'not a number')
  await expect(table(cluster, 'strange').table.start()).rejects.toMatchObject({ code: 'REGISTRY_BROKEN' })
  await strange.stop()
})

test('topics are created, grown, configured and described', async () => {
  await admin.createTopic({
    name: 'managed',
    partitions: 2,
    configs: { 'retention.ms': '60000' },
    replicationFactor: 1,
  })
  await expect(admin.createTopic({ name: 'managed', partitions: 2, configs: {} })).rejects.toMatchObject({
    code: 'TOPIC_ALREADY_EXISTS',
  })
  await admin.growPartitions('managed', 5)
  await eventually(
    'five',
    10_000,
    async () => (await admin.listTopics()).find(t => t.name === 'managed')?.partitions === 5,
  )
  await admin.setConfigs('managed', { 'cleanup.policy': 'compact' })
  const configs = (await admin.describeConfigs(['managed', 'not-there'])).get('managed')
  expect(configs?.['cleanup.policy']).toEqual({ value: 'compact', explicit: true })
  expect(configs?.['retention.ms']).toEqual({ value: '60000', explicit: true })
  expect(configs?.['max.message.bytes']?.explicit).toBe(false)
  expect((await admin.brokerConfigs()).get('transactional.id.expiration.ms')).toBe('604800000')
})
