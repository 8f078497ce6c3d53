import { expect, test } from 'vitest'
import { systemClock } from '../../../src/component.ts'
import type { IngestObserver } from '../../../src/ingest/ports.ts'
import type { PartitionSpec, RunEnd } from '../../../src/ingest/run.ts'
import { SourceFeed } from '../../../src/ingest/source-feed.ts'
import { standingAt } from '../../../src/ingest/standing.ts'
import { flattenBatch, stampBatch, writeInt64 } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import type { StartAt } from '../../../src/route/pull.ts'

const TOPIC_ID = '11111111-1111-4111-8111-111111111111'

/** A feed that stands at origin offset 1, with what it asked of the source and how it asked its run to end. */
function feedAt1() {
  const ends: RunEnd[] = []
  const opens: StartAt[] = []
  const spec = { origin: 'eu', topic: 'orders', originTopic: 'orders', partition: 0, lane: 0 } as PartitionSpec
  const policy = {
    start: { kind: 'earliest' },
    gap: 'skip',
    originRecreated: 'restart',
    targetRecreated: 'refill',
  } as const
  const observer = new Proxy({}, { get: () => () => {} }) as IngestObserver
  const feed = new SourceFeed(spec, policy, systemClock, observer, {
    wake: () => {},
    end: end => ends.push(end),
    giveBack: () => {},
  })
  feed.attach({ open: start => opens.push(start), close: () => {}, ack: () => {} })
  const standing = { ...standingAt(1, TOPIC_ID, 0), originLeaderEpoch: 5 }
  feed.wantFrom(standing)
  return { feed, ends, opens, standing }
}

function frame(from: number, next: number, leaderEpoch: number) {
  const records = Array.from({ length: next - from }, () => ({ key: null, value: Buffer.from('v'), timestampMs: 1 }))
  const ready = buildBatch(records)
  stampBatch(ready, { producerId: -1, producerEpoch: -1 }, -1, false)
  const batch = flattenBatch(ready)
  writeInt64(batch, 0, from)
  const about = { channel: 1, from, next, leaderEpoch, highWatermark: 200, sourceTimeMs: 1 }
  return { ...about, batches: [batch], relayed: false, gap: false }
}

test.each([
  { reason: 'gap', gapFrom: 4, gapTo: 100 },
  { reason: 'topic-recreated', topicId: '22222222-2222-4222-8222-222222222222' },
] as const)('nothing moves for $reason before everything received is written', closed => {
  const { feed, ends, standing } = feedAt1()
  feed.onFrame(frame(1, 4, 5))
  feed.onClosed({ channel: 1, message: 'as the source says', ...closed }, standing)
  expect(ends).toEqual([])
  feed.onClosed({ channel: 1, message: 'as the source says', ...closed }, { ...standing, position: 4, written: 4 })
  expect(ends.map(end => end.kind)).toEqual(['move'])
})

test('a reopened channel names the leader epoch of what lies directly below its offset', () => {
  const { feed, opens } = feedAt1()
  feed.onFrame(frame(1, 4, 6))
  feed.detach('cut')
  feed.attach({ open: start => opens.push(start), close: () => {}, ack: () => {} })
  feed.onProgress({ channel: 2, next: 9, leaderEpoch: 7, highWatermark: 200, sourceTimeMs: 1 })
  feed.detach('cut')
  feed.attach({ open: start => opens.push(start), close: () => {}, ack: () => {} })
  expect(opens).toEqual([
    { kind: 'position', offset: 1, leaderEpoch: 5 },
    { kind: 'position', offset: 4, leaderEpoch: 6 },
    { kind: 'position', offset: 9, leaderEpoch: 7 },
  ])
})
