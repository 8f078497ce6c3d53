import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { startLocal } from '../../deploy/local/start.ts'
import type { GatewayInfo, LocalHandle } from '../../deploy/local/types.ts'
import { adminClient } from '../../src/admin/client.ts'
import type { LinksAnswer } from '../../src/cli/admin-messages.ts'
import { TESTED_KAFKA } from '../support/java.ts'
import { Ledger } from '../support/ledger.ts'
import { testDir } from '../support/ledger-dir.ts'
import { eventually } from '../support/processes.ts'

/** First starts as they are by default: from the earliest record, nothing confirmed. */

const WITHIN_MS = 60_000

let local: LocalHandle
let ledger: Ledger
beforeAll(async () => {
  local = await startLocal({
    dir: testDir('first-start'),
    dcs: ['eu', 'us'],
    gateways: 'prepared',
    redis: false,
    kafka: TESTED_KAFKA,
    configExtra: { topics: { start: [] } },
  })
  ledger = await Ledger.open(local, { seed: 7 })
})
afterAll(async () => {
  await ledger?.close()
  await local?.down()
})

async function write(topic: string, dcs: readonly string[], records: number): Promise<void> {
  const before = ledger.written
  ledger.addLoad({ topic, partitions: [0, 1], dcs, recordsPerSecond: 200, plain: 1 })
  ledger.startLoad()
  await eventually(`${records} records`, WITHIN_MS, () => ledger.written >= before + records)
  await ledger.endLoad()
}

async function refusalsIn(dc: string): Promise<string[]> {
  const client = adminClient(local.info().dcs[dc]!.gateways[0]!.admin)
  try {
    const { links } = await client.call<LinksAnswer>('ListLinks', {})
    return links.flatMap(link => link.topics.filter(topic => topic.refused !== '').map(topic => topic.refused))
  } finally {
    client.close()
  }
}

test('a topic with records at both ends before the first start ever waits for a word, and confirmed is that word', async () => {
  await ledger.createTopic('was.here', 2)
  await write('was.here', ['eu', 'us'], 40)
  await local.start('us-1')
  await local.start('eu-1')
  await eventually('it is refused with the reason', WITHIN_MS, async () =>
    (await refusalsIn('us')).some(text => text.includes('was.here already holds records')),
  )
  for (const dc of ['eu', 'us']) {
    const [{ config, node }] = local.info().dcs[dc]!.gateways as readonly [GatewayInfo]
    const tree = parse(readFileSync(config, 'utf8'))
    tree.topics.start = [{ match: 'was.here', from: 'earliest', confirmed: true }]
    await local.stop(node)
    writeFileSync(config, stringify(tree))
    await local.start(node)
  }
  const verdict = await ledger.verdict(WITHIN_MS)
  expect(verdict.exact, `${verdict}`).toBe(true)
})

test('topics that came after the gateways are never refused: not after restarts, not when a peer comes late, not when grown', async () => {
  await local.stop('eu-1')
  await ledger.createTopic('came.later', 2)
  await write('came.later', ['eu', 'us'], 40)
  await local.stop('us-1')
  await local.start('us-1')
  await local.start('eu-1')
  const first = await ledger.verdict(WITHIN_MS)
  expect(first.exact, `${first}`).toBe(true)
  await local.stop('eu-1')
  for (const { admin } of ledger.dcs) await admin.addPartitions('came.later', 3)
  ledger.watch('came.later', [2])
  ledger.addLoad({ topic: 'came.later', partitions: [2], recordsPerSecond: 100, plain: 1 })
  const before = ledger.written
  ledger.startLoad()
  await eventually('the new partition is filled at both ends', WITHIN_MS, () => ledger.written >= before + 40)
  await ledger.endLoad()
  await local.stop('us-1')
  await local.start('us-1')
  await local.start('eu-1')
  const second = await ledger.verdict(WITHIN_MS)
  expect(second.exact, `${second}`).toBe(true)
  expect([...(await refusalsIn('eu')), ...(await refusalsIn('us'))]).toEqual([])
}, 240_000)
