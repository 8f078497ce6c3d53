import { expect, test } from 'vitest'
import type { Cut } from '../../../src/ingest/inbox.ts'
import { type RunPartition, splice, type Taken } from '../../../src/ingest/run.ts'
import { NOTHING_WRITTEN } from '../../../src/ingest/standing.ts'
import { stampBatch } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'

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
