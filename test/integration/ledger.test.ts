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

/**
 * Three data centers in a mesh, two gateway nodes each, producers in all of them, and one fault after another under
 * load. After each the ledger must find every record once, in order, byte for byte, in every data center that may have
 * it. The long form with random faults is `npm run chaos`.
 */

const SEED = Number(process.env.ISTHMUS_TEST_SEED ?? 20_260)
const DCS = ['eu', 'us', 'ap']
const MAIN = 'ledger.main'
const PRIVATE = 'ledger.private'
/** Three times what faults may cost: group session, takeover, breaker pauses. */
const VERDICT_MS = 90_000
const PROGRESS_MS = 60_000
const TEST_MS = 240_000

let local: LocalHandle
let ledger: Ledger

beforeAll(async () => {
  local = await startLocal({
    dir: testDir('ledger'),
    dcs: DCS,
    nodes: 2,
    redis: false,
    kafka: TESTED_KAFKA,
    configExtra: dc => ({
      topics: {
        start: [{ match: '*', from: 'earliest', confirmed: true }],
        rules: [{ match: PRIVATE, allowDcs: dc === 'us' ? [] : ['us'] }],
      },
      groups: { sessionTimeoutMs: '6s' },
    }),
  })
  // Forbidden to ap; and what is fetched from us may not leave us either, its own producers included.
  const mayGo = (target: string, topic: string) => topic !== PRIVATE || target === 'us'
  ledger = await Ledger.open(local, { seed: SEED, hops: (_, target, topic) => (mayGo(target, topic) ? 1 : undefined) })
  await ledger.createTopic(MAIN, 3)
  await ledger.createTopic(PRIVATE, 1)
  ledger.addLoad({ topic: MAIN, partitions: [0, 1, 2], recordsPerSecond: 200, plain: 2, transactional: 2 })
  ledger.addLoad({ topic: PRIVATE, partitions: [0], recordsPerSecond: 50, plain: 1 })
}, 180_000)

afterAll(async () => {
  await ledger?.close()
  await local?.down()
})

/** Under load, so many more records are acknowledged. */
async function progress(records: number): Promise<void> {
  const before = ledger.written
  await eventually(`${records} more records are written`, PROGRESS_MS, () => ledger.written >= before + records)
}

async function expectExact(): Promise<void> {
  await ledger.stopLoad()
  const verdict = await ledger.verdict(VERDICT_MS)
  expect(verdict.exact, `seed ${SEED}\n${verdict}`).toBe(true)
}

test(
  'records of every kind cross between three data centers, and go nowhere else',
  async () => {
    ledger.startLoad()
    await progress(5_000)
    await expectExact()
  },
  TEST_MS,
)

test(
  'gateway nodes are killed with -9 on both sides, and come back',
  async () => {
    ledger.startLoad()
    await progress(500)
    for (const node of ['us-1', 'eu-2', 'us-2', 'eu-1']) {
      await local.kill(node)
      await progress(500)
      await local.start(node)
    }
    await expectExact()
  },
  TEST_MS,
)

test(
  'brokers are killed with -9: the source of two links, then their target',
  async () => {
    ledger.startLoad()
    for (const broker of ['kafka-eu-1', 'kafka-us-1']) {
      await progress(1_000)
      await local.kill(broker)
      await local.start(broker)
    }
    await progress(1_000)
    await expectExact()
  },
  TEST_MS,
)

test(
  'a node that stood still while another took over writes nothing when it goes on',
  async () => {
    ledger.startLoad()
    await progress(500)
    local.pause('us-1')
    try {
      // Longer than the group's session: us-2 has the lanes by then.
      await new Promise(resolve => setTimeout(resolve, 15_000))
    } finally {
      local.resume('us-1')
    }
    await progress(500)
    await expectExact()
  },
  TEST_MS,
)

test(
  'a path is cut and another swallows everything: the others keep flowing, and all is made up for',
  async () => {
    ledger.startLoad()
    await progress(500)
    local.wan('eu-us', { kind: 'cut' })
    local.wan('ap-us', { kind: 'blackhole' })
    try {
      const arrivedBefore = await copiesIn('ap', 'eu')
      await progress(2_000)
      await eventually(
        'records of eu reach ap meanwhile',
        PROGRESS_MS,
        async () => (await copiesIn('ap', 'eu')) > arrivedBefore,
      )
    } finally {
      local.wan('eu-us', { kind: 'heal' })
      local.wan('ap-us', { kind: 'heal' })
    }
    await expectExact()
  },
  TEST_MS,
)

test(
  'a path that resets every two seconds, slow and narrow, loses nothing',
  async () => {
    local.wan('eu-ap', { kind: 'reset-every', intervalMs: 2_000 })
    local.wan('eu-us', { kind: 'delay', roundTripMs: 200 })
    local.wan('us-ap', { kind: 'rate', bytesPerSecond: 1_000_000 })
    try {
      ledger.startLoad()
      await progress(3_000)
      await ledger.stopLoad()
    } finally {
      for (const path of ['eu-ap', 'eu-us', 'us-ap']) local.wan(path, { kind: 'heal' })
    }
    await expectExact()
  },
  TEST_MS,
)

test(
  'partitions are added and a topic appears under load: complete from offset 0',
  async () => {
    const grown = 'ledger.grown'
    const fresh = 'ledger.fresh'
    await ledger.createTopic(grown, 1)
    ledger.startLoad()
    await ledger.dc('eu').admin.addPartitions(grown, 3)
    ledger.watch(grown, [1, 2])
    await ledger.createTopic(fresh, 2, { dcs: ['ap'] })
    const late = await Ledger.open(local, { seed: SEED + 1 })
    try {
      late.watch(grown, [0, 1, 2])
      late.watch(fresh, [0, 1])
      late.addLoad({ topic: grown, partitions: [0, 1, 2], dcs: ['eu'], recordsPerSecond: 300, plain: 2 })
      late.addLoad({ topic: fresh, partitions: [0, 1], dcs: ['ap'], recordsPerSecond: 300, plain: 1, transactional: 1 })
      late.startLoad()
      for (const dc of DCS) {
        const { admin } = ledger.dc(dc)
        await eventually(`${grown} grows in ${dc}`, 30_000, async () => (await admin.partitionCount(grown)) === 3, 250)
        await eventually(
          `${fresh} appears in ${dc}`,
          30_000,
          async () => (await admin.partitionCount(fresh)) === 2,
          250,
        )
      }
      await late.stopLoad()
      const verdict = await late.verdict(VERDICT_MS)
      expect(verdict.exact, `seed ${SEED}\n${verdict}`).toBe(true)
      ledger.unwatch(grown)
      ledger.unwatch(fresh)
      await expectExact()
    } finally {
      await late.close()
    }
  },
  TEST_MS,
)

test(
  'clients that are not ours write at the origin and read the same at the target',
  async () => {
    const topic = `${JAVA_TOPIC_PREFIX}eu`
    await ledger.createTopic(topic, 2)
    const eu = ledger.dc('eu')
    const ids = await produceWithJava({ dc: 'eu', bootstrap: eu.bootstrap, topic }, 20_000, local.dir)
    await expectExact()
    const us = ledger.dc('us')
    const ours = []
    for (const partition of [0, 1]) {
      for (const entry of await ledger.read(us, { topic, partition })) ours.push(asForeign(partition, entry))
    }
    expect(ours.length).toBe(ids.length)
    expect(inLogOrder(await readWithJava(us.bootstrap, topic, ours.length))).toEqual(ours)
    const main = []
    for (const partition of [0, 1, 2]) {
      for (const entry of await ledger.read(us, { topic: MAIN, partition })) main.push(asForeign(partition, entry))
    }
    if (hasKcat()) expect(inLogOrder(await readWithKcat(us.bootstrap, MAIN))).toEqual(main)
  },
  TEST_MS,
)

async function copiesIn(target: string, origin: string): Promise<number> {
  let copies = 0
  for (const partition of [0, 1, 2]) {
    const entries = await ledger.read(ledger.dc(target), { topic: MAIN, partition })
    copies += entries.filter(entry => entry.origin === origin).length
  }
  return copies
}
