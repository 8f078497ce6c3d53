import { afterAll, beforeAll, expect, test } from 'vitest'
import { GroupMembership, KafkaCluster, openTopicAdmin } from '../../src/kafka/index.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

const SESSION_TIMEOUT_MS = 6_000
const LANES = 12

let kafka: TestCluster
let cluster: KafkaCluster
const logged: string[] = []

beforeAll(async () => {
  kafka = await startTestCluster()
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' })
  await openTopicAdmin(cluster).createTopic({ name: 'lanes', partitions: LANES, configs: {} })
})

afterAll(async () => {
  await cluster?.close()
  await kafka?.stop()
})

function member(groupId: string, node: string, sessionTimeoutMs = SESSION_TIMEOUT_MS) {
  const membership = new GroupMembership(cluster, {
    groupId,
    topic: 'lanes',
    node,
    about: { address: `${node}:1` },
    sessionTimeoutMs,
    rebalanceTimeoutMs: 6_000,
    log: (level, message) => logged.push(`${level} ${message}`),
  })
  const seen = { lanes: new Set<number>() as ReadonlySet<number>, assignments: 0 }
  membership.onAssigned(lanes => {
    seen.lanes = lanes
    seen.assignments++
  })
  return { membership, seen }
}

const sizes = (...members: ReturnType<typeof member>[]) => members.map(({ seen }) => seen.lanes.size).join()
const distinct = (...members: ReturnType<typeof member>[]) =>
  new Set(members.flatMap(({ seen }) => [...seen.lanes])).size

test('lanes are shared evenly as members come and go, and those that need not move stay', async () => {
  const printed: unknown[][] = []
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const consoleError = console.error
  console.error = (...args: unknown[]) => printed.push(args)
  const [a, b, c] = [member('g1', 'a'), member('g1', 'b'), member('g1', 'c')]
  await a.membership.start()
  await eventually('a has all', 30_000, () => sizes(a) === '12')
  const all = new Set(a.seen.lanes)
  await b.membership.start()
  await eventually('halves', 30_000, () => sizes(a, b) === '6,6' && distinct(a, b) === LANES)
  for (const lane of a.seen.lanes) expect(all.has(lane)).toBe(true)
  const before = { a: a.seen.lanes, b: b.seen.lanes }
  await c.membership.start()
  await eventually('thirds', 30_000, () => sizes(a, b, c) === '4,4,4' && distinct(a, b, c) === LANES)
  for (const lane of a.seen.lanes) expect(before.a.has(lane)).toBe(true)
  for (const lane of b.seen.lanes) expect(before.b.has(lane)).toBe(true)
  const members = await eventually('all three are described', 10_000, async () => {
    const found = await a.membership.members()
    return found.length === 3 ? found : undefined
  })
  expect(members.map(one => one.node).toSorted()).toEqual(['a', 'b', 'c'])
  expect(members.find(one => one.node === 'b')).toMatchObject({
    about: { address: 'b:1' },
    partitions: [...b.seen.lanes],
  })
  const kept = a.seen.lanes
  await b.membership.stop()
  await eventually('halves again', 30_000, () => sizes(a, c) === '6,6' && distinct(a, c) === LANES)
  for (const lane of kept) expect(a.seen.lanes.has(lane)).toBe(true)
  await a.membership.stop()
  await c.membership.stop()
  console.error = consoleError
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
  expect(printed).toEqual([])
  expect(logged.length).toBeGreaterThan(0)
}, 120_000)

test('membership goes on after the coordinator was killed, and says when it is not confirmed', async () => {
  const a = member('g2', 'a')
  expect(a.membership.lastConfirmedMonotonicMs()).toBe(Number.NEGATIVE_INFINITY)
  await a.membership.start()
  await eventually('a has all', 30_000, () => sizes(a) === '12')
  const assignments = a.seen.assignments
  await kafka.kill(1)
  const silentMs = () => performance.now() - a.membership.lastConfirmedMonotonicMs()
  await eventually('nobody confirms it', 20_000, () => silentMs() > SESSION_TIMEOUT_MS)
  await kafka.start(1)
  await eventually('confirmed again', 60_000, () => a.seen.assignments > assignments)
  expect(a.seen.lanes.size).toBe(LANES)
  expect(performance.now() - a.membership.lastConfirmedMonotonicMs()).toBeLessThan(30_000)
  await a.membership.stop()
}, 120_000)

test('a session time-out that the brokers do not allow is named as what keeps the node out', async () => {
  const { membership } = member('g-refused', 'a', 1_000)
  await membership.start()
  await eventually('it is named', 30_000, () => membership.problem()?.includes('group.min.session.timeout.ms'))
  await membership.stop()
})
