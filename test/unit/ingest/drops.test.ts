import { describe, expect, test } from 'vitest'
import type { Cut } from '../../../src/ingest/inbox.ts'
import { type RunPartition, splice, type Taken } from '../../../src/ingest/run.ts'
import { NOTHING_WRITTEN } from '../../../src/ingest/standing.ts'
import { stampBatch } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { encodePosition } from '../../../src/record/position.ts'

test('records that had been written before are left out and counted', () => {
  const dropped: unknown[] = []
  const record = { key: null, value: Buffer.from('v'), timestampMs: 1_700_000_000_000 }
  const sent = buildBatch(Array.from({ length: 5 }, () => record))
  stampBatch(sent, { producerId: 3, producerEpoch: 0 }, 0, false)
  const part = {
    spec: { origin: 'eu', topic: 'orders', partition: 0, maxMessageBytes: 1_000_000 },
    standing: { ...NOTHING_WRITTEN, originTopicId: '11111111-2222-3333-4444-555555555555' },
    clock: { nowMs: () => 1_700_000_000_000 },
    limits: { maxReplicationHops: 3 },
    maxBatchBytes: 1_000_000,
    observer: { dropped: (...what: unknown[]) => dropped.push(what), provenanceReplaced: () => {} },
  } as unknown as RunPartition
  const taken = { fenced: { identity: { producerId: 7, producerEpoch: 1 } } } as unknown as Taken
  const cut: Cut = {
    batches: [Buffer.concat([sent.header, ...sent.body])],
    from: 2,
    next: 5,
    leaderEpoch: 0,
    gap: false,
    relayed: false,
    wireBytes: 500,
  }
  const result = splice(part, taken, cut, 2, false, Buffer.alloc(8))
  expect(result.records).toBe(3)
  expect(dropped).toEqual([['eu', 'orders', 'duplicate', 2]])
})

describe('a gap that a relay tells of', () => {
  const TOPIC_ID = '11111111-2222-3333-4444-555555555555'
  const covers = { from: 40, next: 46, gap: true, topicId: TOPIC_ID, leaderEpoch: 1, producerId: 3, runs: [45, 1] }
  const position = encodePosition({ ...covers, clusterHash: Buffer.alloc(8) })
  const headers = [{ key: 'isthmus-position', value: position }]

  function spliced(onGap: 'skip' | 'halt', events: unknown[], from = 40) {
    const sent = buildBatch([{ key: null, value: Buffer.from('v'), headers, timestampMs: 1_700_000_000_000 }])
    stampBatch(sent, { producerId: 3, producerEpoch: 0 }, 0, false)
    const part = {
      spec: { origin: 'eu', topic: 'orders', partition: 0, maxMessageBytes: 1_000_000, onGap },
      standing: { ...NOTHING_WRITTEN, originTopicId: TOPIC_ID },
      clock: { nowMs: () => 1_700_000_000_000 },
      limits: { maxReplicationHops: 3 },
      maxBatchBytes: 1_000_000,
      observer: { dropped: () => {}, provenanceReplaced: () => {}, event: (event: unknown) => events.push(event) },
    } as unknown as RunPartition
    const taken = { fenced: { identity: { producerId: 7, producerEpoch: 1 } } } as unknown as Taken
    const batches = [Buffer.concat([sent.header, ...sent.body])]
    const cut: Cut = { batches, from, next: 46, leaderEpoch: 0, gap: false, relayed: true, wireBytes: 500 }
    return splice(part, taken, cut, from, false, Buffer.alloc(8))
  }

  test('is told here with its range and passed over, when topics.onGap is skip', () => {
    const events: unknown[] = []
    expect(spliced('skip', events).records).toBe(1)
    expect(events).toMatchObject([{ name: 'gap', origin: 'eu', topic: 'orders', partition: 0, from: 40, to: 45 }])
  })

  test('halts the partition, when topics.onGap is halt', () => {
    const events: unknown[] = []
    expect(() => spliced('halt', events)).toThrow(expect.objectContaining({ code: 'PARTITION_GAP' }))
    expect(events).toHaveLength(1)
  })

  test('is not told again once it is passed', () => {
    const events: unknown[] = []
    spliced('halt', events, 45)
    expect(events).toEqual([])
  })
})
