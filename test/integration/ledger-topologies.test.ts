import { expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import { TESTED_KAFKA } from '../support/java.ts'
import { Ledger } from '../support/ledger.ts'
import { testDir } from '../support/ledger-dir.ts'
import { hopsIn } from '../support/ledger-topology.ts'
import { eventually } from '../support/processes.ts'

/** One copy of every record in every data center, whatever way it takes, through link flaps and a kill on the way. */

const SEED = Number(process.env.ISTHMUS_TEST_SEED ?? 414)
const DCS = ['eu', 'us', 'ap', 'sa']
const TOPIC = 'ledger.ways'
const VERDICT_MS = 90_000

/** The short form shows one without and one with relays on the way; a star is also called a hub. */
const SHORT = ['mesh', 'chain'] as const
const LONG = [...SHORT, 'ring', 'star'] as const

test.each(process.env.ISTHMUS_TEST_LONG ? LONG : SHORT)(
  'four data centers in a %s hold one copy each',
  async topology => {
    const local = await startLocal({
      dir: testDir(`ledger-${topology}`),
      dcs: DCS,
      topology,
      redis: false,
      kafka: TESTED_KAFKA,
      configExtra: { topics: { start: [{ match: '*', from: 'earliest', confirmed: true }] } },
    })
    try {
      const ledger = await Ledger.open(local, { seed: SEED, hops: hopsIn(topology, DCS) })
      await ledger.createTopic(TOPIC, 2)
      ledger.addLoad({ topic: TOPIC, partitions: [0, 1], recordsPerSecond: 100, plain: 1, transactional: 1 })
      ledger.startLoad()
      const progress = async (records: number) => {
        const before = ledger.written
        await eventually(`${records} more records`, 60_000, () => ledger.written >= before + records)
      }
      await progress(1_000)
      // us is on the way of others in all but the mesh; eu is the middle of the star.
      local.wan('eu-us', { kind: 'cut' })
      await local.kill('us-1')
      await progress(500)
      local.wan('eu-us', { kind: 'heal' })
      await local.start('us-1')
      await progress(500)
      await ledger.stopLoad()
      const verdict = await ledger.verdict(VERDICT_MS)
      await ledger.close()
      expect(verdict.exact, `seed ${SEED}\n${verdict}`).toBe(true)
    } finally {
      await local.down()
    }
  },
  300_000,
)
