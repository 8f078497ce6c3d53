import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { CONTROL_TOPIC, REGISTRY_TOPIC } from '../../src/state/topics.ts'
import { TESTED_KAFKA } from '../support/java.ts'
import { Ledger } from '../support/ledger.ts'
import { testDir } from '../support/ledger-dir.ts'
import { eventsOf } from '../support/ledger-events.ts'
import { eventually } from '../support/processes.ts'

/** docs/runbooks/registry-lost.md, step 2, as an operator does it. */

const WITHIN_MS = 60_000

let local: LocalHandle
let ledger: Ledger
beforeAll(async () => {
  const configExtra = { topics: { start: [] } }
  local = await startLocal({
    dir: testDir('registry-lost'),
    dcs: ['eu', 'us'],
    redis: false,
    kafka: TESTED_KAFKA,
    configExtra,
  })
  ledger = await Ledger.open(local, { seed: 9 })
})
afterAll(async () => {
  await ledger?.close()
  await local?.down()
})

async function writeBothWays(topic: string, records: number): Promise<void> {
  ledger.addLoad({ topic, partitions: [0, 1], recordsPerSecond: 200, plain: 1, transactional: 1 })
  ledger.startLoad()
  await eventually(`${records} records`, WITHIN_MS, () => ledger.written >= records)
  await ledger.endLoad()
}

test('a data center that lost its registry rebuilds it, sends no copy out again and goes on', async () => {
  await ledger.createTopic('orders', 2)
  await writeBothWays('orders', 200)
  const before = await ledger.verdict(WITHIN_MS)
  expect(before.exact, `${before}`).toBe(true)
  await local.stop('us-1')
  const { admin } = ledger.dc('us')
  for (const topic of [REGISTRY_TOPIC, CONTROL_TOPIC]) {
    await admin.deleteTopic(topic)
    await eventually(`${topic} is gone`, WITHIN_MS, async () => !(await admin.topics()).includes(topic))
  }
  await local.start('us-1')
  const [event] = await eventsOf(local, 'us', ['registry-broken'])
  expect(event?.message).toContain('lost the writers of 2 partitions')
  await writeBothWays('orders', 200)
  const after = await ledger.verdict(WITHIN_MS)
  expect(after.exact, `${after}`).toBe(true)
}, 240_000)
