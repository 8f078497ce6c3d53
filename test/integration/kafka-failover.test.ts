import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ClusterAdmin,
  type ClusterTargetLog,
  KafkaCluster,
  type KafkaFailure,
  openLogReader,
  openTargetLog,
  openTopicAdmin,
} from '../../src/kafka/index.ts'
import { nextOffsetOf, splitBatches } from '../../src/record/batch.ts'
import { fence, numbered, readKeys } from '../support/kafka-fence.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

const PARTITIONS = 6

let kafka: TestCluster
let cluster: KafkaCluster
let log: ClusterTargetLog
let admin: ClusterAdmin

beforeAll(async () => {
  kafka = await startTestCluster({ brokers: 3 })
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' })
  log = openTargetLog(cluster)
  admin = openTopicAdmin(cluster)
})

afterAll(async () => {
  log?.close()
  await cluster?.close()
  await kafka?.stop()
})

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))

async function createTopic(name: string, configs: Record<string, string>, partitions = PARTITIONS): Promise<void> {
  await admin.createTopic({ name, partitions, configs, replicationFactor: 3 })
  await eventually('leaders with full ISR', 30_000, async () => {
    const topic = await cluster.metadata.refresh(name)
    return topic?.partitions.length === partitions && topic.partitions.every(p => p.leader > 0 && p.isr.length === 3)
  })
}

async function open(topic: string, partition: number) {
  const { identity, markerOffset } = await fence(log, `id-${topic}-${partition}`, { topic, partition })
  const topicId = (await log.topicId(topic)) as string
  const run = { topic, partition, topicId, identity, firstSequence: 0, lastKnownOffset: markerOffset }
  return log.openAppender({ ...run, deliveryTimeoutMs: 150_000 })
}

test('a broker of three dies and comes back under load: every record once, in order, and readers see the same', async () => {
  const topic = 'failover'
  await createTopic(topic, { 'min.insync.replicas': '2' })
  const topicId = (await log.topicId(topic)) as string
  const reader = openLogReader(cluster, log.queries, { name: 'failover', isolation: 'read-uncommitted' })
  const offsets = Array.from({ length: PARTITIONS }, () => 0)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const handle = reader.add(
      { topic, topicId, partition, offset: 0, lastFetchedEpoch: -1 },
      {
        batches: fetched => {
          for (const batch of splitBatches(fetched.records)) {
            expect(nextOffsetOf(batch)).toBeGreaterThan(offsets[partition]!)
            offsets[partition] = nextOffsetOf(batch)
          }
          fetched.release()
          handle.next(offsets[partition]!, -1)
        },
        failed: failure => expect.fail(JSON.stringify(failure)),
      },
    )
  }
  const written = Array.from({ length: PARTITIONS }, () => 0)
  let faultsAreOver = false
  const write = async (partition: number) => {
    let appender = await open(topic, partition)
    while (!faultsAreOver) {
      const from = written[partition]!
      const appends = [0, 5, 10, 15, 20].map(ahead => appender.append(numbered(from + ahead, 5)))
      const failure = (await Promise.allSettled(appends)).find(outcome => outcome.status === 'rejected')?.reason
      if (failure === undefined) {
        written[partition] = from + 25
        continue
      }
      expect(['ambiguous', 'fenced']).toContain((failure as KafkaFailure).kind)
      appender = await eventually('a takeover', 60_000, () => open(topic, partition))
      written[partition] = (await readKeys(log, { topic, partition })).length
    }
  }
  const writing = Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => write(partition)))
  const progress = () => written.reduce((sum, count) => sum + count, 0)
  for (const broker of [2, 3]) {
    const before = progress()
    await eventually('progress', 60_000, () => progress() > before + 500)
    await kafka.kill(broker)
    const without = [...written]
    await eventually('every partition goes on without it', 60_000, () =>
      written.every((count, i) => count > without[i]! + 100),
    )
    await kafka.start(broker)
  }
  faultsAreOver = true
  await writing
  for (let partition = 0; partition < PARTITIONS; partition++) {
    expect(await readKeys(log, { topic, partition })).toEqual(range(0, written[partition]!))
    const { endOffset } = await log.offsets({ topic, partition })
    await eventually('the reader is at the end', 30_000, () => offsets[partition] === endOffset)
  }
  reader.close()
}, 240_000)

test('below min.insync.replicas appends wait, named, and go on when the replica is back', async () => {
  const topic = 'needs-all'
  await createTopic(topic, { 'min.insync.replicas': '3' }, 1)
  const appender = await open(topic, 0)
  await appender.append(numbered(0, 5))
  const leader = (await cluster.leaderOf(topic, 0)).leader
  const follower = leader === 1 ? 2 : 1
  await kafka.kill(follower)
  await eventually('the ISR shrinks', 60_000, async () => {
    const found = await cluster.metadata.refresh(topic)
    return found?.partitions[0]?.isr.length === 2
  })
  let acked = 0
  const appends = [5, 10, 15].map(first => appender.append(numbered(first, 5)).then(() => acked++))
  await kafka.start(follower)
  await Promise.all(appends)
  expect(acked).toBe(3)
  expect(await readKeys(log, { topic, partition: 0 })).toEqual(range(0, 20))
}, 180_000)
