import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ClusterTargetLog,
  KafkaCluster,
  type KafkaFailure,
  openTargetLog,
  openTopicAdmin,
} from '../../src/kafka/index.ts'
import { fence, numbered, readKeys } from '../support/kafka-fence.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

const RECORDS_PER_BATCH = 4

/** A line between us and the broker whose connections can be cut, with whatever is on its way in both directions. */
class Line {
  private readonly server: Server
  private readonly pairs = new Set<[Socket, Socket]>()

  constructor(port: number, target: number) {
    this.server = createServer(near => {
      const far = connect(target, '127.0.0.1')
      const pair: [Socket, Socket] = [near, far]
      this.pairs.add(pair)
      for (const socket of pair) {
        socket.on('error', () => {})
        socket.on('close', () => this.cutPair(pair))
      }
      near.pipe(far)
      far.pipe(near)
    }).listen(port, '127.0.0.1')
  }

  cut(): void {
    for (const pair of this.pairs) this.cutPair(pair)
  }

  /** What we send arrives; the answers do not. */
  cutAnswers(): void {
    for (const [near, far] of this.pairs) far.unpipe(near)
  }

  close(): void {
    this.server.close()
    this.cut()
  }

  private cutPair(pair: [Socket, Socket]): void {
    this.pairs.delete(pair)
    for (const socket of pair) socket.destroy()
  }
}

let kafka: TestCluster
let line: Line
let cluster: KafkaCluster
let log: ClusterTargetLog

beforeAll(async () => {
  let ports = { client: 0, near: 0 }
  kafka = await startTestCluster({
    sparePorts: 1,
    config: ({ client, spare }) => {
      ports = { client, near: spare[0]! }
      return { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${spare[0]}` }
    },
  })
  line = new Line(ports.near, ports.client)
  cluster = await KafkaCluster.connect({ brokers: [`127.0.0.1:${ports.near}`], clientId: 'test' })
  log = openTargetLog(cluster)
})

afterAll(async () => {
  log?.close()
  await cluster?.close()
  line?.close()
  await kafka?.stop()
})

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))

async function openPartitions(topic: string, count: number) {
  await openTopicAdmin(cluster).createTopic({ name: topic, partitions: count, configs: {} })
  await eventually('leaders', 10_000, async () => {
    const found = await cluster.metadata.refresh(topic)
    return found?.partitions.length === count && found.partitions.every(({ leader }) => leader === 1)
  })
  return await Promise.all(Array.from({ length: count }, (_, partition) => new Writing(topic, partition).takeOver()))
}

/** Writes numbered batches into one partition, with a takeover whenever the appender gives up. */
class Writing {
  readonly partition: { topic: string; partition: number }
  takeovers = -1
  acked = 0
  private next = 0
  private appender!: ReturnType<ClusterTargetLog['openAppender']>

  constructor(topic: string, partition: number) {
    this.partition = { topic, partition }
  }

  async takeOver(): Promise<this> {
    const { topic, partition } = this.partition
    await eventually(
      'a takeover',
      60_000,
      async () => {
        const { identity, markerOffset } = await fence(log, `id-${topic}-${partition}`, this.partition)
        const topicId = (await log.topicId(topic)) as string
        const run = { ...this.partition, topicId, identity, firstSequence: 0, lastKnownOffset: markerOffset }
        this.next = (await readKeys(log, this.partition)).length
        this.appender = log.openAppender({ ...run, deliveryTimeoutMs: 30_000 })
        return true
      },
      50,
    )
    this.takeovers++
    return this
  }

  async write(total: number): Promise<void> {
    while (this.next < total) {
      const appends: Promise<unknown>[] = []
      for (let ahead = 0; ahead < 8 && this.next < total; ahead++) {
        appends.push(this.appender.append(numbered(this.next, RECORDS_PER_BATCH)).then(() => this.acked++))
        this.next += RECORDS_PER_BATCH
      }
      const outcomes = await Promise.allSettled(appends)
      const failure = outcomes.find(outcome => outcome.status === 'rejected')?.reason as KafkaFailure | undefined
      if (failure === undefined) continue
      expect(['ambiguous', 'fenced']).toContain(failure.kind)
      await this.takeOver()
    }
  }
}

test('connections that are cut again and again: every record once and in order, mostly without a takeover', async () => {
  const writings = await openPartitions('cut', 5)
  let cuts = 0
  const cutter = setInterval(() => {
    if (cuts++ % 2 === 0) line.cut()
    else {
      // The requests get through and their answers are lost: the repeat must be recognised.
      line.cutAnswers()
      setTimeout(() => line.cut(), 30)
    }
  }, 300)
  await Promise.all(writings.map(writing => writing.write(4_000)))
  clearInterval(cutter)
  for (const { partition } of writings) expect(await readKeys(log, partition)).toEqual(range(0, 4_000))
  expect(cuts).toBeGreaterThan(2)
  const takeovers = writings.reduce((sum, writing) => sum + writing.takeovers, 0)
  expect(takeovers).toBeLessThan(cuts * writings.length)
}, 120_000)
