import { appendFileSync } from 'node:fs'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { adminClient } from '../../src/admin/client.ts'
import type { LinksAnswer } from '../../src/cli/admin-messages.ts'
import { type MergedLink, mergeLinks } from '../../src/cli/links-merge.ts'
import { ledgerAdmin } from '../support/ledger-admin.ts'
import { testDir } from '../support/ledger-dir.ts'
import { eventually } from '../support/processes.ts'

/** The least that a broker allows by default. */
const SESSION_TIMEOUT_MS = 6_000
/** The group's rebalance, and what a loaded machine needs. */
const TAKEOVER_MS = 20_000
/** Some in every lane. */
const PARTITIONS = 64

let local: LocalHandle
beforeAll(async () => {
  const groups = { sessionTimeoutMs: SESSION_TIMEOUT_MS }
  local = await startLocal({
    dir: testDir('two-nodes'),
    dcs: ['eu', 'us'],
    nodes: 2,
    redis: false,
    configExtra: { groups },
  })
})
afterAll(() => local?.down())

/** `eu->us` as these nodes of us show it together. */
async function linkBy(...nodes: string[]): Promise<MergedLink> {
  const gateways = local.info().dcs.us!.gateways.filter(({ node }) => nodes.includes(node))
  const answers = await Promise.all(
    gateways.map(async ({ node, admin }) => {
      const client = adminClient(admin)
      try {
        return { node, ...(await client.call<LinksAnswer>('ListLinks', { partitions: true })) }
      } finally {
        client.close()
      }
    }),
  )
  return mergeLinks(answers)[0]!
}

test('two nodes share the lanes, each says which the other has, and those of a killed one move to the other', async () => {
  await eventually('the lanes are shared', 60_000, async () => {
    const both = await linkBy('us-1', 'us-2')
    return both.unowned.length === 0 && both.nodes.every(({ lanes }) => lanes === 8)
  })
  await eventually('either node alone accounts for every lane', 20_000, async () => {
    const views = [await linkBy('us-1'), await linkBy('us-2')]
    return views.every(({ lanesOwned, others, unowned }) => {
      const [other] = others
      return unowned.length === 0 && other !== undefined && other.lanes.length + lanesOwned.length === 16
    })
  })
  const { lanesOwned: lost } = await linkBy('us-2')
  await local.kill('us-2')
  const right = await linkBy('us-1')
  expect(right.others).toEqual([{ node: 'us-2', lanes: lost }])
  await eventually('us-1 has all of them', SESSION_TIMEOUT_MS + TAKEOVER_MS, async () => {
    const { lanesOwned, others, unowned } = await linkBy('us-1')
    return lanesOwned.length === 16 && others.length + unowned.length === 0
  })
})

test('more lanes by the restart of one node are shared by both, and every partition is written', async () => {
  const us2 = local.info().dcs.us!.gateways.find(({ node }) => node === 'us-2')!
  appendFileSync(us2.config, '\nflow: { lanes: 32 }\n')
  await local.start('us-2')
  await eventually('32 lanes are shared', 60_000, async () => {
    const both = await linkBy('us-1', 'us-2')
    return both.lanesTotal === 32 && both.unowned.length === 0 && both.nodes.every(({ lanes }) => lanes === 16)
  })
  const clientOf = (dc: string) =>
    new Kafka({ brokers: local.info().dcs[dc]!.kafka.split(','), logLevel: logLevel.NOTHING })
  const eu = await ledgerAdmin(local.info().dcs.eu!.kafka)
  const [us, producer] = [clientOf('us').admin(), clientOf('eu').producer()]
  await Promise.all([us.connect(), producer.connect()])
  await eu.createTopic('orders', PARTITIONS)
  const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, value: `to ${partition}` }))
  await producer.send({ topic: 'orders', messages })
  await eventually('a record is in every partition', 60_000, async () => {
    const views = await linkBy('us-1', 'us-2')
    const partitions = views.topics.find(({ topic }) => topic === 'orders')?.partitions ?? []
    return partitions.length === PARTITIONS && partitions.every(({ position }) => Number(position) >= 1)
  })
  const offsets = await us.fetchTopicOffsets('orders')
  // Each partition has one record of the origin and the markers of takeovers.
  expect(offsets.filter(({ high }) => Number(high) > 1)).toHaveLength(PARTITIONS)
  await Promise.all([eu.close(), us.disconnect(), producer.disconnect()])
})
