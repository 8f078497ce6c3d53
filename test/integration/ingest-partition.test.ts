import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/component.ts'
import { selfTest } from '../../src/ingest/self-test.ts'
import { type ClusterTargetLog, KafkaCluster, openTargetLog } from '../../src/kafka/index.ts'
import { createTopic } from '../support/ingest/topic.ts'
import { Bench } from '../support/ingest/writer-bench.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'

let kafka: TestCluster
let cluster: KafkaCluster
let target: ClusterTargetLog
let progressTopicId: string

beforeAll(async () => {
  kafka = await startTestCluster()
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' })
  target = openTargetLog(cluster)
  for (const name of ['__isthmus.progress', 'scratch']) await createTopic(cluster, name, 1)
  progressTopicId = (await target.topicId('__isthmus.progress'))!
})

afterAll(async () => {
  target?.close()
  await cluster?.close()
  await kafka?.stop()
})

test('the fence holds on this broker', async () => {
  await selfTest(target, systemClock, { topic: 'scratch', partition: 0 }, 'isthmus.self-test.scratch.0.0')
})

test('records of a source stand in the target once and in order, over three writers and an ambiguous end', async () => {
  await createTopic(cluster, 'orders', 1)
  const bench = new Bench(target, cluster.clusterId, 'orders')
  for (let round = 0; round < 3; round++) {
    const writer = bench.startWriter()
    bench.produce(200)
    await bench.allWritten(writer)
    await writer.stop()
  }
  expect(await bench.targetValues()).toEqual(bench.sourceValues())
})

test('a rival that takes over fences the first writer, and nothing is doubled', async () => {
  await createTopic(cluster, 'rivals', 1)
  const bench = new Bench(target, cluster.clusterId, 'rivals')
  const first = bench.startWriter()
  bench.produce(50)
  await bench.allWritten(first)
  const second = bench.startWriter()
  await bench.running(second)
  bench.produce(50)
  await bench.allWritten(second)
  await Promise.all([first.stop(), second.stop()])
  expect(await bench.targetValues()).toEqual(bench.sourceValues())
})

test('data older than producer state is kept goes in transactions, and plain writes follow on a new takeover', async () => {
  await createTopic(cluster, 'old', 1)
  const bench = new Bench(target, cluster.clusterId, 'old', { progressTopicId })
  const writer = bench.startWriter()
  bench.produce(100, Date.now() - 20 * 3_600_000)
  await bench.allWritten(writer)
  expect(writer.state).toEqual({ kind: 'running', mode: 'transaction' })
  await writer.stop()
  const next = bench.startWriter()
  bench.produce(100)
  await bench.allWritten(next)
  await next.stop()
  expect(await bench.targetValues()).toEqual(bench.sourceValues())
})

test('a compacted topic is written in transactions from the start', async () => {
  await createTopic(cluster, 'compacted', 1)
  const bench = new Bench(target, cluster.clusterId, 'compacted', { compacted: true, progressTopicId })
  for (let round = 0; round < 2; round++) {
    const writer = bench.startWriter()
    bench.produce(100)
    await bench.allWritten(writer)
    await writer.stop()
  }
  expect(await bench.targetValues()).toEqual(bench.sourceValues())
})
