import { createTopicsV7, deleteRecordsV2, deleteTopicsV6 } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call } from '../../src/kafka/call.ts'
import { type ClusterTargetLog, KafkaCluster, openTargetLog, type ReaderFailure } from '../../src/kafka/index.ts'
import { openLogReader } from '../../src/kafka/log-reader.ts'
import type { LogReader } from '../../src/kafka/log-reader-types.ts'
import { CommittedScan } from '../../src/record/committed-scan.ts'
import { iterateRecords } from '../../src/record/records.ts'
import { fence, numbered, readKeys } from '../support/kafka-fence.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

let kafka: TestCluster
let cluster: KafkaCluster
let log: ClusterTargetLog
let reader: LogReader
let topics = 0

async function createTopic(
  partitions = 1,
  name = `r${topics++}`,
  configs: Record<string, string> = {},
): Promise<string> {
  const settings = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
  const request = { name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: settings }
  await call(await cluster.controllerConnection(), createTopicsV7.api, [request], 10_000, false)
  await eventually('leaders', 10_000, async () => {
    const topic = await cluster.metadata.refresh(name)
    return topic?.partitions.length === partitions && topic.partitions.every(partition => partition.leader === 1)
  })
  return name
}

async function open(topic: string, partition = 0, transactionalId?: string) {
  const id = transactionalId ?? `id-${topic}-${partition}`
  const { identity, markerOffset } = await fence(log, id, { topic, partition })
  const topicId = (await log.topicId(topic)) as string
  const run = {
    topic,
    partition,
    topicId,
    identity,
    firstSequence: 0,
    lastKnownOffset: markerOffset,
    deliveryTimeoutMs: 60_000,
  }
  return { ...run, transactionalId: id, appender: log.openAppender({ ...run, transactionalId }) }
}

/** Follows a partition as a listener of the product would, and keeps the keys of committed records. */
async function follow(topic: string, partition = 0, offset = 0) {
  const topicId = (await log.topicId(topic)) as string
  const seen = { keys: [] as string[], failures: [] as ReaderFailure[], watermarks: [] as number[], next: offset }
  const handle = reader.add(
    { topic, topicId, partition, offset, lastFetchedEpoch: -1 },
    {
      batches: (fetched, fetchedFrom) => {
        const scan = new CommittedScan(fetched.records, fetched.abortedTransactions, fetchedFrom)
        while (scan.advance()) {
          if (scan.kind !== 'data') continue
          for (const record of iterateRecords(fetched.records.subarray(scan.start, scan.end))) {
            if (record.offset >= fetchedFrom) seen.keys.push(record.key?.toString() ?? '')
          }
        }
        seen.next = scan.nextOffset
        fetched.release()
        handle.next(seen.next, scan.leaderEpoch)
      },
      watermark: highWatermark => seen.watermarks.push(highWatermark),
      failed: failure => seen.failures.push(failure),
    },
  )
  return { seen, handle }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))

beforeAll(async () => {
  kafka = await startTestCluster()
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' })
  log = openTargetLog(cluster)
  reader = openLogReader(cluster, log.queries, { name: 'test' })
})

afterAll(async () => {
  reader?.close()
  log?.close()
  await cluster?.close()
  await kafka?.stop()
})

test('everything that is there and everything that comes, of many partitions, in order', async () => {
  const topic = await createTopic(20)
  const writers = await Promise.all(Array.from({ length: 20 }, (_, partition) => open(topic, partition)))
  await Promise.all(writers.map(writer => writer.appender.append(numbered(0, 10))))
  const followed = await Promise.all(writers.map(writer => follow(topic, writer.partition)))
  for (let round = 1; round < 5; round++) {
    await Promise.all(writers.map(writer => writer.appender.append(numbered(round * 10, 10))))
  }
  await eventually('all keys', 20_000, () => followed.every(({ seen }) => seen.keys.length >= 50))
  for (const { seen } of followed) expect(seen.keys).toEqual(range(0, 50))
  expect(reader.outstandingBytes).toBe(0)
  for (const { handle } of followed) handle.remove()
})

test('records of aborted transactions stay out, whatever is open beside them', async () => {
  const topic = await createTopic()
  const writers = await Promise.all(
    [0, 1].map(async index => {
      const { identity, ...run } = await open(topic, 0, `txn-${topic}-${index}`)
      const second = await log.initProducerId(run.transactionalId, 60_000)
      run.appender.close()
      return { ...run, identity: second }
    }),
  )
  const { seen, handle } = await follow(topic)
  let expected: string[] = []
  for (let round = 0; round < 6; round++) {
    const kept: string[] = []
    for (const writer of writers) await log.addPartitionsToTxn(writer.transactionalId, writer.identity, [writer])
    for (const [index, writer] of writers.entries()) {
      const appender = log.openAppender({ ...writer, firstSequence: round * 3, lastKnownOffset: -1 })
      await appender.append(numbered(round * 10 + index * 5, 3))
      appender.close()
    }
    // The first one aborts while the second is still open, and the other way round.
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const writer = writers[index]!
      const commit = index === round % 2
      await log.endTxn(writer.transactionalId, writer.identity, commit)
      if (commit) kept.push(...range(round * 10 + index * 5, round * 10 + index * 5 + 3))
      await eventually('closed', 10_000, async () => {
        return (await log.describeProducer(writer, writer.identity.producerId))?.currentTxnStartOffset === -1
      })
    }
    expected = [...expected, ...kept]
  }
  await eventually('all committed', 20_000, () => seen.keys.length >= expected.length)
  expect(seen.keys).toEqual(expected)
  expect((await readKeys(log, { topic, partition: 0 })).length).toBe(36)
  handle.remove()
})

test('a paused partition delivers nothing and goes on where it is told', async () => {
  const topic = await createTopic()
  const writer = await open(topic)
  const { seen, handle } = await follow(topic)
  await writer.appender.append(numbered(0, 5))
  await eventually('the first keys', 10_000, () => seen.keys.length === 5)
  handle.pause()
  await writer.appender.append(numbered(5, 5))
  const other = await follow(topic)
  await eventually('another reader sees them', 10_000, () => other.seen.keys.length === 10)
  expect(seen.keys).toEqual(range(0, 5))
  handle.next(seen.next, -1)
  await eventually('the rest', 10_000, () => seen.keys.length === 10)
  handle.remove()
  other.handle.remove()
})

test('batches larger than a response come through, and small ones beside them', async () => {
  const topic = await createTopic(3, undefined, { 'max.message.bytes': '12000000' })
  const writers = await Promise.all([0, 1, 2].map(partition => open(topic, partition)))
  await Promise.all(writers.flatMap(({ appender }) => [0, 1].map(i => appender.append(numbered(i, 1, 9_500_000)))))
  const followed = await Promise.all(writers.map(writer => follow(topic, writer.partition)))
  await eventually('all', 20_000, () => followed.every(({ seen }) => seen.keys.length === 2))
  for (const { handle } of followed) handle.remove()
})

test('an offset behind retention is out of range, with the log as it is', async () => {
  const topic = await createTopic()
  const { appender } = await open(topic)
  await appender.append(numbered(0, 20))
  const connection = await cluster.anyConnection()
  const removal = { name: topic, partitions: [{ partitionIndex: 0, offset: 11n }] }
  await call(connection, deleteRecordsV2.api, [removal], 10_000)
  const { seen } = await follow(topic, 0, 3)
  await eventually('a failure', 10_000, () => seen.failures.length > 0)
  expect(seen.failures).toEqual([{ kind: 'out-of-range', offset: 3, logStartOffset: 11, endOffset: 21 }])
  const beyond = await follow(topic, 0, 500)
  await eventually('a failure', 10_000, () => beyond.seen.failures.length > 0)
  expect(beyond.seen.failures).toEqual([{ kind: 'out-of-range', offset: 500, logStartOffset: 11, endOffset: 21 }])
})

test('a history with other leader epochs is said to diverge', async () => {
  const topic = await createTopic()
  const { appender, topicId } = await open(topic)
  await appender.append(numbered(0, 5))
  const failures: ReaderFailure[] = []
  const partition = { topic, topicId, partition: 0, offset: 4, lastFetchedEpoch: 7 }
  reader.add(partition, { batches: fetched => fetched.release(), failed: failure => failures.push(failure) })
  await eventually('a failure', 10_000, () => failures.length > 0)
  expect(failures[0]?.kind).toBe('diverged')
})

test('a topic that is deleted, and one that is created again, are told apart', async () => {
  const gone = await createTopic()
  const again = await createTopic()
  const followed = [await follow(gone), await follow(again)]
  const connection = await cluster.controllerConnection()
  await call(connection, deleteTopicsV6.api, [{ name: gone }, { name: again }], 10_000)
  await eventually('gone', 10_000, async () => (await cluster.metadata.refresh(again)) === undefined)
  await createTopic(1, again)
  await eventually('both failures', 30_000, () => followed.every(({ seen }) => seen.failures.length === 1))
  expect(followed.map(({ seen }) => seen.failures[0]?.kind)).toEqual(['topic-missing', 'topic-recreated'])
}, 60_000)

test('a listener that keeps its buffers stops the reading, and releases start it again', async () => {
  const PARTITIONS = 20
  const topic = await createTopic(PARTITIONS)
  const writers = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => open(topic, partition)))
  const small = openLogReader(cluster, log.queries, {
    name: 'small',
    connectionsPerBroker: 1,
    maxOutstandingBytes: 1_000_000,
  })
  await Promise.all(writers.map(({ appender }) => appender.append(numbered(0, 1, 900_000))))
  const held: (() => void)[] = []
  let delivered = 0
  for (const { topicId, partition } of writers) {
    small.add(
      { topic, topicId, partition, offset: 0, lastFetchedEpoch: -1 },
      {
        batches: fetched => {
          delivered++
          held.push(() => fetched.release())
        },
        failed: failure => expect.fail(failure.kind),
      },
    )
  }
  await eventually('the limit is reached', 10_000, () => small.outstandingBytes >= 1_000_000)
  expect(delivered).toBeLessThan(PARTITIONS)
  await eventually('the rest', 20_000, () => {
    for (const release of held.splice(0)) release()
    return delivered === PARTITIONS
  })
  for (const release of held.splice(0)) release()
  expect(small.outstandingBytes).toBe(0)
  small.close()
})

test('a broker that is killed and comes back is read on, nothing twice and nothing left out', async () => {
  const topic = await createTopic()
  const writer = await open(topic)
  const { seen, handle } = await follow(topic)
  await writer.appender.append(numbered(0, 50))
  await eventually('before', 10_000, () => seen.keys.length === 50)
  await kafka.kill(1)
  await kafka.start(1)
  await writer.appender.append(numbered(50, 50))
  await eventually('after', 60_000, () => seen.keys.length >= 100)
  expect(seen.keys).toEqual(range(0, 100))
  expect([...reader.retries.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(0)
  handle.remove()
}, 90_000)
