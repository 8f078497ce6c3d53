import { createTopicsV7, deleteTopicsV6 } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from '../../src/kafka/call.ts'
import { type ClusterTargetLog, KafkaCluster, type KafkaFailure, openTargetLog } from '../../src/kafka/index.ts'
import { fence, numbered, readKeys } from '../support/kafka-fence.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

const DELIVERY_TIMEOUT_MS = 30_000

let kafka: TestCluster
let cluster: KafkaCluster
let log: ClusterTargetLog
let topics = 0

async function createTopic(configs: Record<string, string> = {}, name = `t${topics++}`): Promise<string> {
  const request = {
    name,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  }
  const response = await call(await cluster.controllerConnection(), createTopicsV7.api, [request], 10_000, false)
  expect(response.topics[0]?.errorCode).toBe(0)
  await eventually(
    'the topic has a leader',
    10_000,
    async () => (await cluster.metadata.refresh(name))?.partitions[0]?.leader === 1,
  )
  return name
}

async function open(topic: string, transactionalId = `id-${topic}`) {
  const partition = { topic, partition: 0 }
  const { identity, markerOffset } = await fence(log, transactionalId, partition)
  const topicId = (await log.topicId(topic)) as string
  const options = {
    ...partition,
    topicId,
    identity,
    firstSequence: 0,
    lastKnownOffset: markerOffset,
    deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
  }
  return { partition, options, appender: log.openAppender(options) }
}

async function failureOf(promise: Promise<unknown>): Promise<KafkaFailure> {
  return await promise.then(
    () => expect.fail('did not fail'),
    error => error as KafkaFailure,
  )
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))

beforeAll(async () => {
  kafka = await startTestCluster()
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' })
  log = openTargetLog(cluster)
})

afterAll(async () => {
  log?.close()
  await cluster?.close()
  await kafka?.stop()
})

describe('the fence (exactly-once.md 1 and 2)', () => {
  test('the same transactional.id keeps its producerId and gets the next epoch (F5)', async () => {
    const first = await log.initProducerId('f5', 10_000)
    const second = await log.initProducerId('f5', 10_000)
    expect(second.producerId).toBe(first.producerId)
    expect(second.producerEpoch).toBe(first.producerEpoch + 1)
    expect(await log.describeTransaction('f5')).toMatchObject(second)
    expect(await log.describeTransaction('never seen')).toBeUndefined()
  })

  test('InitProducerId alone lets a late batch of the old epoch in (F2), the marker does not (F3)', async () => {
    const topic = await createTopic()
    const old = await open(topic)
    await old.appender.append(numbered(0, 1))
    await log.initProducerId(`id-${topic}`, 10_000)
    await old.appender.append(numbered(1, 1))
    await fence(log, `id-${topic}`, old.partition)
    const failure = await failureOf(old.appender.append(numbered(2, 1)))
    expect(failure).toMatchObject({ kind: 'fenced', code: 'INVALID_PRODUCER_EPOCH' })
    expect(await readKeys(log, old.partition)).toEqual(['0', '1'])
  })

  test('the old epoch cannot add partitions (F8)', async () => {
    const topic = await createTopic()
    const { options, partition } = await open(topic)
    await log.initProducerId(`id-${topic}`, 10_000)
    const failure = await failureOf(log.addPartitionsToTxn(`id-${topic}`, options.identity, [partition]))
    expect(failure).toMatchObject({ kind: 'fenced', code: 'PRODUCER_FENCED' })
  })

  test('after the fence the log shows the new epoch and no sequence, later the last one (F19)', async () => {
    const topic = await createTopic()
    const { options, partition, appender } = await open(topic)
    const { producerId } = options.identity
    expect(await log.describeProducer(partition, producerId)).toMatchObject({ ...options.identity, lastSequence: -1 })
    await appender.append(numbered(0, 7))
    expect(await log.describeProducer(partition, producerId)).toMatchObject({
      lastSequence: 6,
      currentTxnStartOffset: -1,
    })
    expect(await log.describeProducer(partition, 987_654)).toBeUndefined()
  })

  test('empty transactions in the running epoch keep the sequence, among batches in flight (F7)', async () => {
    const topic = await createTopic()
    const { options, partition, appender } = await open(topic)
    const appends: Promise<unknown>[] = []
    let refreshes = 0
    for (let batch = 0; batch < 200; batch++) {
      appends.push(appender.append(numbered(batch * 3, 3)))
      if (batch % 20 === 10) {
        await log.addPartitionsToTxn(`id-${topic}`, options.identity, [partition])
        await log.endTxn(`id-${topic}`, options.identity, refreshes++ % 2 === 0)
      }
      if (appender.inFlight > 20) await appends.shift()
    }
    await Promise.all(appends)
    expect(await readKeys(log, partition)).toEqual(range(0, 600))
  })
})

describe('plain appends (exactly-once.md 2.1)', () => {
  test('appends are in order, with offsets and sequences of each', async () => {
    const topic = await createTopic()
    const { appender, options, partition } = await open(topic)
    const answers = await Promise.all([3, 1, 5, 2].map((count, i) => appender.append(numbered(i * 10, count))))
    const first = options.lastKnownOffset + 1
    expect(answers.map(a => a.baseOffset)).toEqual([first, first + 3, first + 4, first + 9])
    expect(answers.map(a => a.lastSequence)).toEqual([2, 3, 8, 10])
    expect(appender.nextSequence).toBe(11)
    expect(appender.inFlight).toBe(0)
    expect((await log.offsets(partition)).endOffset).toBe(first + 11)
  })

  test('a second writer in the same epoch is stopped before it writes: the log shows sequences that it never sent', async () => {
    const topic = await createTopic()
    const { appender, options, partition } = await open(topic)
    await appender.append(numbered(0, 2))
    const rival = log.openAppender(options)
    expect(await failureOf(rival.append(numbered(9, 2)))).toMatchObject({ kind: 'fenced', code: 'STATE_UNKNOWN' })
    expect(await readKeys(log, partition)).toEqual(['0', '1'])
  })

  test('a log that holds nothing of us is not written to (F13)', async () => {
    const topic = await createTopic()
    const identity = await log.initProducerId(`id-${topic}`, 10_000)
    const { options } = await open(await createTopic())
    const topicId = (await log.topicId(topic)) as string
    const appender = log.openAppender({ ...options, topic, topicId, identity, lastKnownOffset: -1 })
    expect(await failureOf(appender.append(numbered(0, 1)))).toMatchObject({ kind: 'fenced', code: 'STATE_UNKNOWN' })
    expect(await readKeys(log, { topic, partition: 0 })).toEqual([])
  })

  test('an answer at or below an offset that was ours is an alarm', async () => {
    const topic = await createTopic()
    const { options } = await open(topic)
    const appender = log.openAppender({ ...options, lastKnownOffset: 1_000 })
    expect(await failureOf(appender.append(numbered(0, 1)))).toMatchObject({ kind: 'fatal', code: 'BASE_OFFSET_ALARM' })
    expect(await failureOf(appender.append(numbered(1, 1)))).toMatchObject({ code: 'BASE_OFFSET_ALARM' })
  })

  test('a batch over the limit rejects with all behind it, and the next run goes on at the sequence after the last ack', async () => {
    const topic = await createTopic({ 'max.message.bytes': '2000' })
    const { appender, options, partition } = await open(topic)
    const good = appender.append(numbered(0, 2))
    const big = appender.append(numbered(2, 1, 5_000))
    const behind = appender.append(numbered(3, 1))
    const { lastSequence, baseOffset } = await good
    expect(await failureOf(big)).toMatchObject({ kind: 'too-large', code: 'MESSAGE_TOO_LARGE' })
    expect(await failureOf(behind)).toMatchObject({ kind: 'too-large' })
    await appender.settled()
    const next = log.openAppender({ ...options, firstSequence: lastSequence + 1, lastKnownOffset: baseOffset + 1 })
    await next.append(numbered(2, 1))
    expect(await readKeys(log, partition)).toEqual(['0', '1', '2'])
  })

  test('a topic that was created again is not written to', async () => {
    const topic = await createTopic()
    const { appender, partition } = await open(topic)
    await appender.append(numbered(0, 1))
    await call(await cluster.controllerConnection(), deleteTopicsV6.api, [{ name: topic }], 10_000)
    await eventually('the topic is gone', 10_000, async () => (await cluster.metadata.refresh(topic)) === undefined)
    await createTopic({}, topic)
    expect(await failureOf(appender.append(numbered(1, 1)))).toMatchObject({ kind: 'fenced', code: 'TOPIC_RECREATED' })
    expect(await readKeys(log, partition)).toEqual([])
  })

  test('closing rejects what is outstanding as ambiguous', async () => {
    const { appender } = await open(await createTopic())
    const append = appender.append(numbered(0, 1))
    appender.close()
    expect(await failureOf(append)).toMatchObject({ kind: 'ambiguous', code: 'APPENDER_CLOSED' })
    await appender.settled()
  })

  test('many partitions share a broker and each keeps its order', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, async () => open(await createTopic())))
    const appends: Promise<unknown>[] = []
    for (let round = 0; round < 25; round++) {
      for (const { appender } of all) appends.push(appender.append(numbered(round * 4, 4)))
    }
    await Promise.all(appends)
    for (const { partition } of all) expect(await readKeys(log, partition)).toEqual(range(0, 100))
  })
})

describe('transactional appends (exactly-once.md 2.2)', () => {
  async function openTransactional(topic: string) {
    const { options, partition } = await open(topic)
    const transactionalId = `id-${topic}`
    const identity = await log.initProducerId(transactionalId, 10_000)
    const appender = log.openAppender({ ...options, identity, transactionalId })
    return { appender, identity, partition, transactionalId }
  }

  test('batches of a transaction are appended in a second epoch, and a committed marker follows them', async () => {
    const { appender, identity, partition, transactionalId } = await openTransactional(await createTopic())
    await log.addPartitionsToTxn(transactionalId, identity, [partition])
    await Promise.all([appender.append(numbered(0, 2)), appender.append(numbered(2, 2))])
    const open = await log.describeProducer(partition, identity.producerId)
    expect(open?.currentTxnStartOffset).toBeGreaterThanOrEqual(0)
    await log.endTxn(transactionalId, identity, true)
    await eventually('the transaction is closed in the log', 10_000, async () => {
      const state = await log.describeProducer(partition, identity.producerId)
      return state?.currentTxnStartOffset === -1
    })
    expect(await readKeys(log, partition)).toEqual(range(0, 4))
  })

  test('a batch after the end of its transaction is refused: it never opens one by itself (F18)', async () => {
    const { appender, identity, partition, transactionalId } = await openTransactional(await createTopic())
    await log.addPartitionsToTxn(transactionalId, identity, [partition])
    await appender.append(numbered(0, 1))
    await log.endTxn(transactionalId, identity, true)
    await eventually('the marker is in', 10_000, async () => {
      const state = await log.describeProducer(partition, identity.producerId)
      return state?.currentTxnStartOffset === -1
    })
    expect(await failureOf(appender.append(numbered(1, 1)))).toMatchObject({ kind: 'fenced' })
    expect(await readKeys(log, partition)).toEqual(['0'])
  })
})

describe('a broker that dies', () => {
  test('kill -9 and restart while appending: every record once, in order, with a takeover where the fate is unknown', async () => {
    const topic = await createTopic()
    const transactionalId = `id-${topic}`
    const total = 3_000
    let run = await open(topic, transactionalId)
    const position = async () => (await readKeys(log, run.partition)).length
    let next = 0
    const killer = (async () => {
      for (let round = 0; round < 2; round++) {
        await eventually('some progress', 30_000, () => next > (round + 1) * 700)
        await kafka.kill(1)
        await kafka.start(1)
      }
    })()
    const pending: Promise<unknown>[] = []
    while (next < total || pending.length > 0) {
      try {
        if (next < total && pending.length < 8) {
          const append = run.appender.append(numbered(next, 5))
          append.catch(() => undefined)
          pending.push(append)
          next += 5
        } else {
          await pending.shift()
        }
      } catch (error) {
        expect(['fenced', 'ambiguous']).toContain((error as KafkaFailure).kind)
        pending.length = 0
        run = await eventually('a takeover', 60_000, () => open(topic, transactionalId))
        next = await position()
      }
    }
    await killer
    expect(await readKeys(log, run.partition)).toEqual(range(0, total))
  }, 120_000)
})
