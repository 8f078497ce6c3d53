import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { TESTED_KAFKA } from '../support/java.ts'
import { Ledger } from '../support/ledger.ts'
import {
  asForeign,
  hasKcat,
  inLogOrder,
  produceWithJava,
  readWithJava,
  readWithKcat,
} from '../support/ledger-clients.ts'
import { testDir } from '../support/ledger-dir.ts'
import { JAVA_TOPIC_PREFIX } from '../support/ledger-entry.ts'
import { eventually } from '../support/processes.ts'

/** The ledger judges the gateway, so it is judged first: alone, on one cluster, against clients that we did not write. */

const TOPIC = 'ledger.self'
let local: LocalHandle
let ledger: Ledger

beforeAll(async () => {
  local = await startLocal({
    dir: testDir('ledger-self'),
    dcs: ['eu'],
    gateways: 'none',
    redis: false,
    kafka: TESTED_KAFKA,
  })
  ledger = await Ledger.open(local, { seed: 1 })
})

afterAll(async () => {
  await ledger?.close()
  await local?.down()
})

test('what was acknowledged stands in its own log, through a kill of the broker', async () => {
  await ledger.createTopic(TOPIC, 2)
  ledger.addLoad({ topic: TOPIC, partitions: [0, 1], recordsPerSecond: 400, plain: 2, transactional: 3 })
  ledger.startLoad()
  await eventually('records are written', 60_000, () => ledger.written > 1_500)
  await local.kill('kafka-eu-1')
  await local.start('kafka-eu-1')
  const before = ledger.written
  await eventually('records are written again', 60_000, () => ledger.written > before + 1_500)
  await ledger.stopLoad()
  const verdict = await ledger.verdict(30_000)
  expect(verdict.exact, String(verdict)).toBe(true)
  expect(verdict.dcs.eu!.expected).toBeGreaterThanOrEqual(ledger.written)
}, 180_000)

test('kcat and the Java client read the same committed records as the ledger, byte for byte', async () => {
  const eu = ledger.dc('eu')
  const ours = []
  for (const partition of [0, 1]) {
    const entries = await ledger.read(eu, { topic: TOPIC, partition })
    ours.push(...entries.map(entry => asForeign(partition, entry)))
  }
  if (hasKcat()) expect(inLogOrder(await readWithKcat(eu.bootstrap, TOPIC))).toEqual(ours)
  expect(inLogOrder(await readWithJava(eu.bootstrap, TOPIC, ours.length))).toEqual(ours)
}, 120_000)

test('records of the Java producer have ids', async () => {
  const topic = `${JAVA_TOPIC_PREFIX}eu`
  await ledger.createTopic(topic, 1)
  const ids = await produceWithJava({ dc: 'eu', bootstrap: ledger.dc('eu').bootstrap, topic }, 5_000, local.dir)
  ledger.acknowledged('eu', { topic, partition: 0 }, ids)
  const verdict = await ledger.verdict(30_000)
  expect(verdict.exact, String(verdict)).toBe(true)
}, 120_000)
