import { type Admin, Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { adminClient } from '../../src/admin/client.ts'
import type { LinksAnswer } from '../../src/cli/admin-messages.ts'
import { KafkaCluster, openTargetLog } from '../../src/kafka/index.ts'
import { laneOf } from '../../src/route/lanes.ts'
import { ledgerAdmin } from '../support/ledger-admin.ts'
import { testDir } from '../support/ledger-dir.ts'
import { LedgerLogReader } from '../support/ledger-log.ts'
import { eventually } from '../support/processes.ts'

const LANES = 16
/** Far longer than the test waits for lanes: they must come because they were handed over. */
const SESSION_TIMEOUT_MS = 120_000
const HANDED_OVER_MS = 20_000
const ARRIVED_MS = 60_000
const ORDERS = 8

let local: LocalHandle
beforeAll(async () => {
  local = await startLocal({
    dir: testDir('stop'),
    dcs: ['eu', 'us'],
    nodes: 2,
    brokers: 2,
    gateways: 'prepared',
    redis: false,
    brokerConfig: {
      'default.replication.factor': '1',
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.replication.factor': '1',
    },
    configExtra: {
      groups: { sessionTimeoutMs: SESSION_TIMEOUT_MS },
      kafka: { internalTopics: { replicationFactor: 1, minInsyncReplicas: 1 } },
    },
  })
})
afterAll(() => local?.down())

const clientOf = (dc: string) =>
  new Kafka({ brokers: local.info().dcs[dc]!.kafka.split(','), logLevel: logLevel.NOTHING })

async function linkOf(node: string) {
  const { admin } = local.info().dcs.us!.gateways.find(gateway => gateway.node === node)!
  const client = adminClient(admin)
  try {
    return (await client.call<LinksAnswer>('ListLinks', {})).links[0]!
  } finally {
    client.close()
  }
}

async function lanesOf(node: string): Promise<number[]> {
  return (await linkOf(node)).lanesOwned
}

/** Values as the ledger's reader shows them. */
const shown = (values: string[]) => values.map(value => `${value.length}:${JSON.stringify(value)}`)

/** Each partition on the broker that is named for it. */
async function createPlaced(admin: Admin, topic: string, brokers: number[]): Promise<void> {
  const replicaAssignment = brokers.map((broker, partition) => ({ partition, replicas: [broker] }))
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: -1, replicationFactor: -1, replicaAssignment }],
  })
}

/** Sends so many records to each of `partitions`; adds their values to what was sent before. */
async function produce(topic: string, partitions: number, count: number, sent: string[][]): Promise<void> {
  const producer = clientOf('eu').producer()
  await producer.connect()
  for (let partition = 0; partition < partitions; partition++) {
    const before = sent[partition] ?? []
    const values = Array.from({ length: count }, (_, i) => `${topic}-${partition} ${before.length + i}`)
    sent[partition] = [...before, ...values]
    await producer.send({ topic, messages: values.map(value => ({ partition, value })) })
  }
  await producer.disconnect()
}

test('a node that is told to stop hands its lanes over within seconds, although a partition of it cannot be written', async () => {
  // The gateways' own topics stand on the first broker of us: the second one has nothing but the partition that will hang.
  await local.stop('kafka-us-2')
  for (const node of ['eu-1', 'us-1', 'us-2']) await local.start(node)
  const eu = await ledgerAdmin(local.info().dcs.eu!.kafka)
  const us = clientOf('us').admin()
  await us.connect()
  await eventually('the lanes are shared', ARRIVED_MS, async () => {
    const both = [await lanesOf('us-1'), await lanesOf('us-2')]
    return both.every(lanes => lanes.length === LANES / 2) && new Set(both.flat()).size === LANES
  })
  await local.start('kafka-us-2')
  await createPlaced(us, 'stuck', [2])
  await createPlaced(us, 'orders', Array(ORDERS).fill(1))
  await eu.createTopic('stuck', 1)
  await eu.createTopic('orders', ORDERS)

  const cluster = await KafkaCluster.connect({ brokers: local.info().dcs.us!.kafka.split(','), clientId: 'test' })
  const log = openTargetLog(cluster)
  const readers = new Map<string, LedgerLogReader>()
  const arrived = async (topic: string, sent: string[][]) => {
    const seen = await Promise.all(
      sent.map(async (_, partition) => {
        const reader = readers.getOrInsertComputed(
          `${topic}-${partition}`,
          () => new LedgerLogReader(log, { topic, partition }),
        )
        await reader.advance()
        return reader.entries.map(entry => entry.fields.value)
      }),
    )
    return seen.every((values, partition) => values.length >= sent[partition]!.length) && seen
  }
  const sent = { stuck: [] as string[][], orders: [] as string[][] }
  await produce('stuck', 1, 10, sent.stuck)
  await produce('orders', ORDERS, 10, sent.orders)
  await eventually(
    'all arrived',
    ARRIVED_MS,
    async () => (await arrived('stuck', sent.stuck)) && (await arrived('orders', sent.orders)),
  )

  local.pause('kafka-us-2')
  await produce('stuck', 1, 10, sent.stuck)
  const lane = laneOf('stuck', 0, LANES)
  const leaving = (await lanesOf('us-1')).includes(lane) ? 'us-1' : 'us-2'
  const staying = leaving === 'us-1' ? 'us-2' : 'us-1'
  await eventually('an append hangs', ARRIVED_MS, async () => {
    const stuck = (await linkOf(leaving)).topics.find(({ topic }) => topic === 'stuck')
    return stuck !== undefined && Number(stuck.lag.records) > 0
  })
  await local.stop(leaving)
  // It ends itself with another code when it needs more than 10 s.
  const ended = local.status().processes.find(({ name }) => name === leaving)!
  expect([ended.state, ended.ended]).toEqual(['down', 'code 0'])
  await eventually(
    'its lanes are at the other node',
    HANDED_OVER_MS,
    async () => (await lanesOf(staying)).length === LANES,
  )
  await produce('orders', ORDERS, 10, sent.orders)
  await eventually('other partitions flow', ARRIVED_MS, () => arrived('orders', sent.orders))
  local.resume('kafka-us-2')
  const stuck = await eventually('the rest arrives', ARRIVED_MS, () => arrived('stuck', sent.stuck))
  expect({ stuck, orders: await arrived('orders', sent.orders) }).toEqual({
    stuck: sent.stuck.map(shown),
    orders: sent.orders.map(shown),
  })
  log.close()
  await Promise.all([cluster.close(), eu.close(), us.disconnect()])
})
