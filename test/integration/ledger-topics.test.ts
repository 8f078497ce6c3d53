import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { buildBatch, type NewRecord } from '../../src/record/build-batch.ts'
import { TESTED_KAFKA } from '../support/java.ts'
import { Ledger } from '../support/ledger.ts'
import { finalMap, mapDifferences } from '../support/ledger-compacted.ts'
import { testDir } from '../support/ledger-dir.ts'
import { keyWithId, LEDGER_ID_HEADER, type LedgerEntry, ledgerId } from '../support/ledger-entry.ts'
import { eventsOf } from '../support/ledger-events.ts'
import { openLedgerWriter } from '../support/ledger-producer.ts'
import { seededRandom } from '../support/ledger-random.ts'
import { eventually } from '../support/processes.ts'

/** What happens to a topic under the gateway's hands: gaps, re-creation, compaction, old timestamps. */

const SEED = Number(process.env.ISTHMUS_TEST_SEED ?? 77)
const VERDICT_MS = 90_000
const EVENT_MS = 30_000
const HOUR_MS = 3_600_000

let local: LocalHandle
let ledger: Ledger

beforeAll(async () => {
  local = await startLocal({ dir: testDir('ledger-topics'), dcs: ['eu', 'us'], redis: false, kafka: TESTED_KAFKA })
  ledger = await Ledger.open(local, { seed: SEED })
}, 180_000)

afterAll(async () => {
  await ledger?.close()
  await local?.down()
})

/** Writes so many small records into partition 0 at eu; they are watched and must cross. */
async function write(topic: string, from: number, count: number, ageMs = 0): Promise<void> {
  const writer = await openLedgerWriter(ledger.dc('eu').log, `ledger.test.${topic}.${from}`, { topic, partition: 0 })
  const ids = Array.from({ length: count }, (_, index) => ledgerId('eu', 'w', from + index))
  const records = ids.map(
    (id): NewRecord => ({ key: keyWithId(id), value: Buffer.from('v'), timestampMs: Date.now() - ageMs }),
  )
  for (let at = 0; at < records.length; at += 50) await writer.append(buildBatch(records.slice(at, at + 50), 'lz4'))
  writer.close()
  ledger.acknowledged('eu', { topic, partition: 0 }, ids)
}

async function expectExact(): Promise<void> {
  const verdict = await ledger.verdict(VERDICT_MS)
  expect(verdict.exact, `seed ${SEED}\n${verdict}`).toBe(true)
}

function copies(topic: string, dc: string): Promise<LedgerEntry[]> {
  return ledger.read(ledger.dc(dc), { topic, partition: 0 })
}

test('records with timestamps of days ago cross exactly once, through a kill of the writer', async () => {
  const topic = 'ledger.old'
  await ledger.createTopic(topic, 1, { dcs: ['eu'] })
  await write(topic, 0, 2_000, 48 * HOUR_MS)
  await eventually('some arrived', VERDICT_MS, async () => (await copies(topic, 'us')).length > 0)
  await local.kill('us-1')
  await write(topic, 2_000, 2_000, 30 * HOUR_MS)
  await local.start('us-1')
  await write(topic, 4_000, 500)
  await expectExact()
}, 240_000)

test('a gap at the source is reported with its exact range, and what follows crosses', async () => {
  const topic = 'ledger.gap'
  await ledger.createTopic(topic, 1, { dcs: ['eu'] })
  await write(topic, 0, 300)
  await expectExact()
  await local.stop('us-1')
  const eu = ledger.dc('eu')
  await write(topic, 300, 300)
  const held = await ledger.read(eu, { topic, partition: 0 })
  const reached = held[299]!.offset + 1
  const deletedTo = held[450]!.offset
  await eu.admin.deleteRecords(topic, 0, deletedTo)
  await local.start('us-1')
  ledger.excuse((origin, offset) => origin === 'eu' && offset >= reached && offset < deletedTo)
  await expectExact()
  const found = await copies(topic, 'us')
  expect(found.length).toBe(450)
  const gap = await eventually('a gap event', EVENT_MS, async () => {
    const events = await eventsOf(local, 'us', ['gap'])
    return events.find(event => event.topic === topic)
  })
  // Markers of the writers stand between the last record that crossed and the first that is gone.
  expect(gap.fromOffset).toBeGreaterThanOrEqual(reached)
  expect(gap.fromOffset).toBeLessThanOrEqual(held[300]!.offset)
  expect(gap.toOffset).toBe(deletedTo)
  ledger.unwatch(topic)
}, 240_000)

test('a topic that was deleted and created again at its origin is never silently resumed', async () => {
  const topic = 'ledger.again'
  await ledger.createTopic(topic, 1, { dcs: ['eu'] })
  await write(topic, 0, 200)
  await expectExact()
  ledger.unwatch(topic)
  const { admin } = ledger.dc('eu')
  await admin.deleteTopic(topic)
  await eventually('it is gone', EVENT_MS, async () => (await admin.partitionCount(topic)) === undefined)
  await admin.createTopic(topic, 1)
  await write(topic, 1_000, 500)
  await eventually('the re-creation is reported', EVENT_MS, async () => {
    const events = await eventsOf(local, 'us', ['topic-recreated'])
    return events.some(event => event.topic === topic)
  })
  // The default policy halts: of the new topic nothing arrives.
  const found = await copies(topic, 'us')
  expect(found.length).toBe(200)
}, 240_000)

test('a compacted topic ends as the same map, tombstones and all', async () => {
  const topic = 'ledger.compacted'
  const configs = {
    'cleanup.policy': 'compact',
    'segment.ms': '2000',
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '60000',
  }
  await ledger.createTopic(topic, 1, { dcs: ['eu'], configs })
  ledger.unwatch(topic)
  const random = seededRandom(SEED)
  const at = { topic, partition: 0 }
  const writer = await openLedgerWriter(ledger.dc('eu').log, 'ledger.test.compacted', at)
  for (let batch = 0; batch < 60; batch++) {
    const records = Array.from({ length: 100 }, (_, index): NewRecord => {
      const headers = [{ key: LEDGER_ID_HEADER, value: Buffer.from(ledgerId('eu', 'map', batch * 100 + index)) }]
      const value = random.chance(0.4) ? null : random.bytes(random.below(100))
      return { key: Buffer.from(`key-${random.below(300)}`), value, headers, timestampMs: Date.now() }
    })
    await writer.append(buildBatch(records, 'zstd'))
    await new Promise(resolve => setTimeout(resolve, 150))
  }
  writer.close()
  const expected = finalMap(await copies(topic, 'eu'), 'eu')
  let differences = ['nothing read yet']
  const same = async () => {
    differences = mapDifferences(expected, finalMap(await copies(topic, 'us'), 'eu'))
    return differences.length === 0
  }
  await eventually('the maps are the same', VERDICT_MS, same).catch(() => expect(differences).toEqual([]))
  const found = await copies(topic, 'us')
  const ids = found.map(entry => entry.id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(found.every(entry => entry.provenance.sourceDcs.join() === 'eu')).toBe(true)
}, 240_000)
