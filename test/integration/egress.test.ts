import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildBatch } from '../../src/record/build-batch.ts'
import { EgressBench, ORIGIN_TOPIC_ID, position, replicaBatch } from '../support/egress/bench.ts'
import { numbered } from '../support/kafka-fence.ts'
import { eventually } from '../support/link/rig.ts'

let bench: EgressBench
beforeAll(async () => {
  bench = await EgressBench.start()
}, 60_000)
afterAll(() => bench?.stop())

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => String(from + index))
const originKeys = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `o${from + index}`)

describe('the direct link', () => {
  test('sends what was produced here, raw, and covers every offset without a hole', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    await producer.appender.append(numbered(0, 5))
    await producer.appender.append(numbered(5, 5))
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.keys).toEqual(range(0, 10)))
    await producer.appender.append(numbered(10, 3))
    await eventually(() => expect(peer.keys).toEqual(range(0, 13)))
    expect(peer.openedMessages).toMatchObject([{ channel: 1, position: 0, topicId: bench.offered.get(topic)!.topicId }])
    let next = 0
    for (const frame of peer.frames) {
      expect(frame.from).toBe(next)
      next = frame.next
    }
    expect(next).toBe(14)
  })

  test('filters aborted transactions and markers, covers and counts them', async () => {
    const topic = await bench.topic()
    const first = await bench.producer(topic, 'transactional')
    const second = await bench.producer(topic, 'transactional')
    await first.begin()
    await second.begin()
    await first.appender.append(numbered(0, 2))
    await second.appender.append(numbered(100, 2))
    await first.appender.append(numbered(2, 2))
    await second.end(false)
    await first.end(true)
    bench.counts.clear()
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.keys).toEqual(range(0, 4)))
    await eventually(async () => expect(peer.next()).toBe(10))
    // Each producer began with a fence's marker.
    expect(Object.fromEntries(bench.counts)).toEqual({ sent: 4, aborted: 2, control: 4 })
  })

  test('says that it is alive while an open transaction holds the records back', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic, 'transactional')
    await producer.begin()
    await producer.appender.append(numbered(0, 3))
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.progresses.filter(({ next }) => next === 1).length).toBeGreaterThanOrEqual(3))
    expect(peer.keys).toEqual([])
    expect(peer.progresses.at(-1)!.highWatermark).toBe(4)
    await producer.end(true)
    await eventually(() => expect(peer.keys).toEqual(range(0, 3)))
  })

  test('never sends a replica back, also when its writer was registered a moment ago', async () => {
    const topic = await bench.topic()
    const writer = await bench.producer(topic)
    const app = await bench.producer(topic)
    bench.registry.pending.set(writer.producerId, { origin: 'ap', topic, partition: 0 })
    await writer.appender.append(replicaBatch(writer.producerId, 0, 4))
    await app.appender.append(numbered(0, 2))
    await writer.appender.append(replicaBatch(writer.producerId, 4, 8))
    const before = bench.registry.catchUps
    bench.counts.clear()
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.next()).toBe(12))
    expect(peer.keys).toEqual(range(0, 2))
    expect(bench.registry.catchUps).toBe(before + 1)
    expect(Object.fromEntries(bench.counts), 'once, though read twice').toEqual({ sent: 2, foreign: 8, control: 2 })
  })

  test('a record with copied provenance is local', async () => {
    const topic = await bench.topic()
    const app = await bench.producer(topic)
    await app.appender.append(replicaBatch(987_654, 0, 3))
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.keys).toEqual(originKeys(0, 3)))
  })

  test('stops where the registry does not know a writer of ours', async () => {
    const topic = await bench.topic()
    const lost = await bench.producer(topic)
    await lost.appender.append(replicaBatch(lost.producerId, 0, 3))
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.closedMessages).toMatchObject([{ reason: 'registry-broken' }]))
    expect(peer.keys).toEqual([])
  })

  test('waits with a partition whose writers the registry lost, until they are registered again', async () => {
    const topic = await bench.topic()
    bench.registry.withheldPartitions.add(`${topic}-0`)
    const early = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(early.closedMessages).toMatchObject([{ reason: 'source-unavailable' }]))
    bench.registry.withheldPartitions.clear()
    const late = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(late.openedMessages).toHaveLength(1))
  })

  test('stops where the registry knows a writer whose batches are not ours', async () => {
    const topic = await bench.topic()
    const app = await bench.producer(topic)
    bench.registry.writers.set(app.producerId, { origin: 'ap', topic, partition: 0 })
    await app.appender.append(numbered(0, 3))
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.closedMessages).toMatchObject([{ reason: 'registry-broken' }]))
  })

  test('reports what retention took, with the exact range', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    for (let at = 0; at < 10; at += 5) await producer.appender.append(numbered(at, 5))
    await bench.deleteRecords(topic, 8)
    const peer = bench.open(topic, position(3))
    await eventually(() => expect(peer.closedMessages).toMatchObject([{ reason: 'gap', gapFrom: 3, gapTo: 8 }]))
    peer.session.open({ channel: 2, lane: 0, topic, partition: 0, start: position(8) })
    // The batch that holds offset 8 begins before it: the target drops what precedes.
    await eventually(() => expect(peer.keys.at(-1)).toBe('9'))
    expect(peer.frames[0]).toMatchObject({ from: 8, next: 11 })
  })

  test('reports a position above the end as truncation', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    await producer.appender.append(numbered(0, 5))
    const peer = bench.open(topic, position(50))
    await eventually(() => expect(peer.closedMessages).toMatchObject([{ reason: 'truncated', gapFrom: 50, gapTo: 6 }]))
  })

  test('tells a topic that was created again from the one before', async () => {
    const topic = await bench.topic()
    const before = bench.offered.get(topic)!.topicId
    const running = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(running.openedMessages.length).toBe(1))
    await bench.deleteTopic(topic)
    await eventually(async () => expect(await bench.log.topicId(topic)).toBeUndefined())
    await bench.topic({}, topic)
    await eventually(() => expect(running.closedMessages).toMatchObject([{ reason: 'topic-recreated' }]), 20_000)
    const peer = bench.open(topic, position(0), { topicId: before })
    await eventually(() =>
      expect(peer.closedMessages).toMatchObject([
        { reason: 'topic-recreated', topicId: bench.offered.get(topic)!.topicId },
      ]),
    )
  })

  test('refuses what rules forbid, and what is not there', async () => {
    const topic = await bench.topic()
    const peer = bench.open(topic, { kind: 'earliest' })
    await eventually(() => expect(peer.openedMessages.length).toBe(1))
    bench.refused.set(topic, 'the rule "payments.*" allows ap, not us')
    bench.egress.recheck()
    expect(peer.closedMessages).toMatchObject([{ channel: 1, reason: 'topic-refused' }])
    expect(peer.catalogs.at(-1)!.topics).toMatchObject([{ name: topic, refused: expect.stringMatching(/allows ap/) }])
    peer.session.open({ channel: 2, lane: 0, topic, partition: 0, start: { kind: 'latest' } })
    expect(peer.closedMessages.at(-1)).toMatchObject({ channel: 2, reason: 'topic-refused' })
    peer.session.open({ channel: 3, lane: 0, topic: 'nowhere', partition: 0, start: { kind: 'latest' } })
    expect(peer.closedMessages.at(-1)).toMatchObject({ channel: 3, reason: 'topic-missing' })
    bench.refused.clear()
  })

  test('sends no more than the credit, and goes on when more comes', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    for (let at = 0; at < 10; at++) await producer.appender.append(numbered(at, 1, 1_000))
    const peer = bench.accept()
    peer.session.open({ channel: 1, lane: 7, topic, partition: 0, start: { kind: 'earliest' } })
    peer.session.credit(7, 3_000)
    // Two batches of 1,084 bytes fit, and a third may begin while less than the credit is used.
    await eventually(() => expect(peer.keys.length).toBe(3))
    peer.session.credit(7, 3_100)
    expect(peer.keys.length).toBe(3)
    peer.session.credit(7, 100_000)
    await eventually(() => expect(peer.keys).toEqual(range(0, 10)))
  })

  test('waits while the socket is full, and sends in order afterwards', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    const peer = bench.accept()
    peer.full = true
    peer.session.credit(0, 2 ** 40)
    peer.session.open({ channel: 1, lane: 0, topic, partition: 0, start: { kind: 'earliest' } })
    await producer.appender.append(numbered(0, 1))
    await eventually(() => expect(peer.keys).toEqual(['0']))
    for (let at = 1; at < 20; at++) await producer.appender.append(numbered(at, 1))
    expect(peer.keys).toEqual(['0'])
    peer.full = false
    for (const written of peer.unwritten) written()
    peer.drain()
    await eventually(() => expect(peer.keys).toEqual(range(0, 20)))
  })

  test('starts at the latest record or at a time when asked to', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    const at = (key: string, timestampMs: number) => buildBatch([{ key: Buffer.from(key), value: null, timestampMs }])
    const now = Date.now()
    await producer.appender.append(at('early', now - 60_000))
    // Later than the marker that fenced the producer, which has a time too.
    await producer.appender.append(at('late', now + 20_000))
    const byTime = bench.open(topic, { kind: 'timestamp', timestampMs: now + 10_000 })
    await eventually(() => expect(byTime.keys).toEqual(['late']))
    const latest = bench.open(topic, { kind: 'latest' })
    await eventually(() => expect(latest.openedMessages).toMatchObject([{ position: 3 }]))
    await producer.appender.append(at('new', now))
    await eventually(() => expect(latest.keys).toEqual(['new']))
  })

  test('lets go of every buffer when the session ends', async () => {
    const topic = await bench.topic()
    const producer = await bench.producer(topic)
    for (let at = 0; at < 5; at++) await producer.appender.append(numbered(at, 1, 100_000))
    const peer = bench.accept()
    peer.session.open({ channel: 1, lane: 0, topic, partition: 0, start: { kind: 'earliest' } })
    const mine = () => bench.egress.sessions.at(-1)
    await eventually(() => expect(mine()!.heldBytes).toBeGreaterThan(500_000))
    const { heldBytes } = bench.egress.sessions.at(-1)!
    expect(heldBytes).toBeGreaterThan(0)
    peer.session.close(1)
    expect(peer.closedMessages).toMatchObject([{ channel: 1, reason: 'requested' }])
    await eventually(() => expect(mine()!.heldBytes).toBe(0))
    const sessions = bench.egress.sessions.length
    peer.session.end('test')
    expect(bench.egress.sessions.length).toBe(sessions - 1)
  })
})

describe('a relay', () => {
  async function relayed() {
    const topic = await bench.topic()
    const writer = await bench.producer(topic)
    const app = await bench.producer(topic)
    bench.registry.writers.set(writer.producerId, { origin: 'ap', topic, partition: 0 })
    const put = (from: number, next: number, keys?: string[]) =>
      writer.appender.append(replicaBatch(writer.producerId, from, next, { keys }))
    return { topic, writer, app, put }
  }

  test('sends the origin’s batches alone, in origin offsets', async () => {
    const { topic, app, put } = await relayed()
    await put(1_000, 1_004)
    await app.appender.append(numbered(0, 7))
    await put(1_004, 1_010, originKeys(1_004, 1_007))
    bench.counts.clear()
    const peer = bench.open(topic, { kind: 'earliest' }, {}, 'ap')
    await eventually(() => expect(peer.keys).toEqual([...originKeys(1_000, 1_007)]))
    expect(peer.openedMessages).toMatchObject([{ position: 1_000, topicId: ORIGIN_TOPIC_ID }])
    expect(peer.frames.every(frame => frame.relayed)).toBe(true)
    expect(peer.next()).toBe(1_010)
    expect(Object.fromEntries(bench.counts)).toMatchObject({ sent: 7, foreign: 7 })
    await put(1_010, 1_012)
    await eventually(() => expect(peer.next()).toBe(1_012))
    expect(peer.frames.at(-1)).toMatchObject({ from: 1_010, leaderEpoch: 3, highWatermark: 1_012 })
  })

  test('never skips what it did not fetch itself, also where compaction may have made holes', async () => {
    const { topic, put } = await relayed()
    await put(1_000, 1_004)
    bench.relayStart = 1_000
    bench.compacted = true
    const early = bench.open(topic, position(900), { topicId: ORIGIN_TOPIC_ID }, 'ap')
    await eventually(() => expect(early.closedMessages).toMatchObject([{ reason: 'relay-behind' }]))
    const within = bench.open(topic, position(1_000), { topicId: ORIGIN_TOPIC_ID }, 'ap')
    await eventually(() => expect(within.keys).toEqual(originKeys(1_000, 1_004)))
    bench.relayStart = undefined
    bench.compacted = false
  })

  test('translates any position into its own log', async () => {
    const { topic, app, put } = await relayed()
    for (let at = 0; at < 40; at++) {
      await put(at * 10, at * 10 + 10)
      if (at % 3 === 0) await app.appender.append(numbered(0, 1 + (at % 5)))
    }
    for (const wanted of [0, 1, 9, 10, 115, 200, 399]) {
      const peer = bench.open(topic, position(wanted), { topicId: ORIGIN_TOPIC_ID }, 'ap')
      await eventually(() => expect(peer.next()).toBe(400))
      expect(peer.openedMessages).toMatchObject([{ position: wanted }])
      expect(peer.keys).toEqual(originKeys(Math.floor(wanted / 10) * 10, 400))
      expect(peer.frames[0]!.from).toBe(wanted)
      peer.session.end('done')
    }
    bench.relayNext = 385
    const latest = bench.open(topic, { kind: 'latest' }, {}, 'ap')
    await eventually(() => expect(latest.keys).toEqual(originKeys(380, 400)))
    expect(latest.openedMessages).toMatchObject([{ position: 385 }])
    bench.relayNext = undefined
    const ahead = bench.open(topic, position(400), {}, 'ap')
    await eventually(() => expect(ahead.openedMessages).toMatchObject([{ position: 400 }]))
    await put(400, 402)
    await eventually(() => expect(ahead.keys).toEqual(originKeys(400, 402)))
  })

  test('refuses to pass over what it does not have: only the origin declares gaps', async () => {
    const { topic, put } = await relayed()
    await put(500, 510)
    const peer = bench.open(topic, position(490), {}, 'ap')
    await eventually(() => expect(peer.closedMessages).toMatchObject([{ reason: 'relay-behind' }]))
    peer.session.open({ channel: 2, lane: 0, topic, partition: 0, start: position(500) })
    await eventually(() => expect(peer.next(2)).toBe(510))
    await put(520, 530)
    await eventually(() => expect(peer.closedMessages.at(-1)).toMatchObject({ channel: 2, reason: 'relay-behind' }))
    expect(peer.next(2)).toBe(510)
  })

  test('leaves out what an older writer of the same link had sent already', async () => {
    const { topic, put } = await relayed()
    await put(0, 10)
    await put(4, 8)
    await put(6, 14)
    bench.counts.clear()
    const peer = bench.open(topic, position(0), {}, 'ap')
    await eventually(() => expect(peer.next()).toBe(14))
    expect(peer.keys).toEqual([...originKeys(0, 10), ...originKeys(6, 14)])
    expect(Object.fromEntries(bench.counts)).toMatchObject({ sent: 18, repeated: 4 })
    let next = 0
    for (const frame of peer.frames) {
      expect(frame.from).toBe(next)
      next = frame.next
    }
  })
})
