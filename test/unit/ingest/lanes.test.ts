import { expect, test } from 'vitest'
import { systemClock } from '../../../src/component.ts'
import { LaneOwner } from '../../../src/ingest/lane-owner.ts'
import { LinkIngest, type LinkIngestPorts } from '../../../src/ingest/link-ingest.ts'
import { KafkaFailure } from '../../../src/kafka/failure.ts'
import { laneOf } from '../../../src/route/lanes.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { growLanes } from '../../../src/wiring/grow-lanes.ts'
import { eventually } from '../../support/processes.ts'

const lanes = (from: number, to: number) => new Set(Array.from({ length: to - from }, (_, i) => from + i))

/** Partitions of it are entered, and wait: the group confirms no lane. */
const orders: Parameters<LinkIngest['ready']>[0] = {
  originTopic: 'orders',
  topic: 'orders',
  partitions: 64,
  compacted: false,
  maxMessageBytes: 1_000_000,
  policy: { start: { kind: 'earliest' }, gap: 'skip', originRecreated: 'halt', targetRecreated: 'halt' },
}

function group() {
  let assign: (lanes: ReadonlySet<number>, total: number) => void = () => {}
  const membership = {
    onAssigned: (listener: typeof assign) => {
      assign = listener
    },
    lastConfirmedMonotonicMs: () => 0,
  }
  return { membership, assign: (owned: ReadonlySet<number>, total: number) => assign(owned, total) }
}

function ingest(): LinkIngest {
  return new LinkIngest('eu', {
    clock: systemClock,
    checkpoints: { of: () => [] },
    isOwner: () => false,
    limits: { laneCreditBytes: 1_000 },
    giveBack: () => {},
    random: Math.random,
  } as unknown as LinkIngestPorts)
}

test('when lanes are added each partition has a writer in the lane of the new number, on one node only', async () => {
  const { membership, assign } = group()
  const owner = new LaneOwner(membership, systemClock, 1_000, 16)
  const [left, right] = [ingest(), ingest()]
  owner.subscribe((owned, total) => left.setOwnedLanes(owned, total))
  for (const link of [left, right]) link.ready(orders)
  const views = () => [...left.view(), ...right.view()]
  assign(lanes(0, 8), 16)
  right.setOwnedLanes(lanes(8, 16), 16)
  expect(views()).toHaveLength(orders.partitions)
  assign(lanes(0, 16), 32)
  right.setOwnedLanes(lanes(16, 32), 32)
  expect(owner.total).toBe(32)
  await eventually('all are cut anew', 5_000, () => views().length === orders.partitions)
  expect(new Set(views().map(({ partition }) => partition)).size).toBe(orders.partitions)
  for (const { partition, lane } of views()) expect(lane).toBe(laneOf('orders', partition, 32))
  await Promise.all([left.stop(0), right.stop(0)])
})

test('an assignment by a node that has not heard of the growth takes no lane back', () => {
  const { membership, assign } = group()
  const owner = new LaneOwner(membership, systemClock, 1_000, 32)
  assign(lanes(0, 8), 16)
  expect(owner.total).toBe(32)
})

test.each([
  ['are added when the config asks for more', 16, 32, undefined, 32, ['lanes are added']],
  [
    'stay when the config asks for less',
    32,
    16,
    undefined,
    32,
    ['flow.lanes is less than there are; lanes are never taken away'],
  ],
  ['stay when they may not be added', 16, 32, 'TOPIC_AUTHORIZATION_FAILED', 16, ['lanes were not added']],
  ['stay as they are', 16, 16, undefined, 16, []],
])('lanes %s', async (_, there, wanted, refusal, after, said) => {
  const lines: string[] = []
  const log = createLogger('info', { write: (line: string) => void lines.push(JSON.parse(line).msg) })
  let partitions = there
  const cluster = { metadata: { refresh: async () => ({ partitions: Array(partitions) }) } }
  const admin = {
    growPartitions: async (_topic: string, count: number) => {
      if (refusal !== undefined) throw new KafkaFailure('denied', refusal, 'no')
      partitions = count
    },
  }
  const grown = await growLanes(cluster as unknown as Parameters<typeof growLanes>[0], admin, log, wanted)
  expect(grown).toBe(after)
  expect(lines).toEqual(said)
})

test('in slow start a lane that moves up, because one before it left, is opened', async () => {
  const link = ingest()
  const opened: number[] = []
  const session = { open: ({ lane }: { lane: number }) => opened.push(lane), close() {}, credit() {}, ack() {} }
  link.ready(orders)
  link.setOwnedLanes(lanes(0, 4), 4)
  link.up(session as unknown as Parameters<LinkIngest['up']>[0], 1)
  const attached = () =>
    new Set(link.view().flatMap(({ lane, waitingFor }) => (waitingFor === undefined ? [lane] : [])))
  expect([...attached()]).toEqual([0])
  link.setOwnedLanes(lanes(1, 4), 4)
  expect([...attached()]).toEqual([1])
  await link.stop(0)
})
