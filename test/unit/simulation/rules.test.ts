import { expect, test } from 'vitest'
import { accept, emptyInbox } from '../../../src/ingest/inbox.ts'
import type { FrameMessage } from '../../../src/route/pull.ts'
import { PROGRESS_TOPIC } from '../../../src/state/topics.ts'
import { recordsOf } from '../../support/model/batch-bytes.ts'
import { CALM_CLUSTER } from '../../support/model/cluster.ts'
import { Judge } from '../../support/model/judge.ts'
import { CALM_NETWORK } from '../../support/model/network.ts'
import { NO_MISHAPS, type Scenario, World } from '../../support/model/world.ts'

/** Rules of the protocol that chance would show too seldom: one written scene each. */

const CALM: Scenario = {
  isolation: 'read_committed',
  compacted: false,
  source: { records: 40, overMs: 5_000, holeChance: 0.2, old: { chance: 0, ageMs: 0 } },
  cluster: CALM_CLUSTER,
  network: CALM_NETWORK,
  rates: NO_MISHAPS,
  overlapMs: 0,
  roughForMs: 0,
  alarmAllowed: false,
}
const MINUTE_MS = 60_000

function takeovers(world: World): number {
  return world.at.log.filter(batch => batch.commit === false).length
}

function dataBatches(world: World) {
  return world.at.log.filter(({ facts }) => !facts.control && facts.producerId >= 0)
}

test('two owners for ever take over ever more seldom, and do no harm', async () => {
  const world = new World(1, { ...CALM, source: { ...CALM.source, records: 200, overMs: 10 * MINUTE_MS } })
  world.startNode()
  world.startNode()
  await world.time.run(() => false, 10 * MINUTE_MS)
  expect(world.judge.violation).toBeUndefined()
  expect(takeovers(world)).toBeGreaterThan(4)
  expect(takeovers(world)).toBeLessThan(60)
})

test('a hole in what we wrote halts the partition: nobody guesses', async () => {
  const world = new World(1, CALM)
  const node = world.startNode()
  expect(await world.time.run(() => world.judge.complete, MINUTE_MS)).toBe(true)
  world.killNode(node)
  world.cluster.createTopic(PROGRESS_TOPIC, 1)
  world.at.log.splice(world.at.log.indexOf(dataBatches(world)[2]!), 1)
  world.startNode()
  expect(await world.time.run(() => world.halted !== undefined, 2 * MINUTE_MS)).toBe(true)
  expect(world.halted).toMatch(/^POSITION_BROKEN: .* covers from origin offset \d+, expected \d+/)
})

test('what was acknowledged and lost by an unclean election is written again, also when nothing new comes', async () => {
  const world = new World(1, CALM)
  world.startNode()
  expect(await world.time.run(() => world.judge.complete, MINUTE_MS)).toBe(true)
  world.cluster.failOverUnclean(world.at, 10, 0.5)
  await world.time.run(() => !world.judge.complete, world.time.nowMs + 100)
  expect(world.judge.present).toBeLessThan(40)
  expect(await world.time.run(() => world.judge.complete, world.time.nowMs + 10 * MINUTE_MS)).toBe(true)
})

test('the first position ever outlives the data: an emptied target is filled from there, whatever the start policy says now', async () => {
  const world = new World(1, { ...CALM, start: 'latest' })
  await world.time.run(() => false, 2_000)
  const node = world.startNode()
  const begun = (): boolean => dataBatches(world).length > 0
  expect(await world.time.run(begun, MINUTE_MS)).toBe(true)
  const first = Number(recordsOf(dataBatches(world)[0]!.bytes)[0]!.value!.toString().slice(1))
  expect(first).toBeGreaterThan(0)
  world.killNode(node)
  world.cluster.failOverUnclean(world.at, 10, 0)
  await world.time.run(() => false, world.time.nowMs + 100)
  expect(world.at.log).toEqual([])
  world.startNode()
  const since = new Judge(
    world.source.expected.filter(record => record.offset >= first),
    'read_committed',
  )
  const complete = (): boolean => {
    since.look(world.at)
    return since.complete
  }
  expect(await world.time.run(complete, world.time.nowMs + MINUTE_MS)).toBe(true)
})

test('no late copy of a marker closes a later transaction to our harm', async () => {
  const markers = { maxDelayMs: 20, repeatChance: 1, repeatMaxDelayMs: 3_000, whenLeaderless: 'drop' } as const
  for (let seed = 1; seed <= 10; seed++) {
    const world = new World(seed, {
      ...CALM,
      compacted: true,
      // several batches in one transaction, some time apart: a copy can fall between them
      network: { ...CALM_NETWORK, maxDelayMs: 100 },
      maxBatchBytes: 1_100,
      roughForMs: 10 * MINUTE_MS,
      source: { records: 1_500, overMs: 40_000, holeChance: 0, old: { chance: 0, ageMs: 0 } },
      // short, so that the running epoch is refreshed every second
      cluster: { ...CALM_CLUSTER, markers, producerIdExpirationMs: 4_000 },
    })
    world.startNode()
    expect(await world.time.run(() => world.judge.complete, 2 * MINUTE_MS)).toBe(true)
    expect(world.judge.violation).toBeUndefined()
  }
})

test('old data is written in transactions, fresh data is not', async () => {
  const written = async (old: Scenario['source']['old']) => {
    const world = new World(1, { ...CALM, source: { ...CALM.source, old } })
    world.startNode()
    expect(await world.time.run(() => world.judge.complete, 2 * MINUTE_MS)).toBe(true)
    return new Set(dataBatches(world).map(({ facts }) => facts.transactional))
  }
  expect(await written({ chance: 0, ageMs: 0 })).toEqual(new Set([false]))
  // the first stretch is fresh, all after it is a day and more old
  expect(await written({ chance: 1, ageMs: 90_000_000 })).toContain(true)
})

test('a frame that leaves a hole is refused, one that begins too low is trimmed, one wholly below is dropped', () => {
  const frame = (from: number, next: number): FrameMessage => ({
    channel: 1,
    from,
    next,
    leaderEpoch: 0,
    highWatermark: next,
    sourceTimeMs: 0,
    batches: [],
    relayed: false,
    gap: false,
  })
  expect(() => accept(emptyInbox(5), frame(7, 9))).toThrow(/from origin offset 7, but 5 is next/)
  expect(accept(emptyInbox(5), frame(3, 5))).toEqual({ kind: 'repeated' })
  expect(accept(emptyInbox(5), frame(3, 8))).toMatchObject({
    inbox: { receivedNext: 8, frames: [{ from: 5, next: 8 }] },
  })
})
