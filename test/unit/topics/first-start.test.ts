import { describe, expect, test } from 'vitest'
import type { FetchedBatches, TopicPartition } from '../../../src/kafka/types.ts'
import { PRODUCER_ID_AT, writeInt64 } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { type EndsBefore, type FirstStartFacts, wouldDouble } from '../../../src/topics/first-start.ts'

const WRITER = 7
const APPLICATION = 8
const TOPIC = { name: 'orders', topicId: 'id-1', partitions: 2 }

interface Bench {
  /** producerId per batch of one record, by partition; the log starts at `logStart`. */
  readonly logs?: readonly (readonly number[])[]
  readonly before?: EndsBefore
  readonly written?: readonly number[]
  readonly logStart?: number
}

function oneRecord(producerId: number, offset: number): Buffer {
  const { header, body } = buildBatch([{ key: null, value: Buffer.from('x'), timestampMs: 1 }])
  const batch = Buffer.concat([header, ...body])
  writeInt64(batch, 0, offset)
  writeInt64(batch, PRODUCER_ID_AT, producerId)
  return batch
}

function fetched(batches: readonly Buffer[]): FetchedBatches {
  const ends = { highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 }
  return { records: Buffer.concat(batches), ...ends, abortedTransactions: [], release: () => {} }
}

function judge({ logs = [], before, written = [], logStart = 0 }: Bench): Promise<boolean> {
  const of = ({ partition }: TopicPartition) => logs[partition] ?? []
  const facts: FirstStartFacts = {
    endsBefore: () => before,
    hasFetched: (_origin, _topic, partition) => written.includes(partition),
    isWriter: producerId => producerId === WRITER,
    offsets: async partition => ({ logStartOffset: logStart, endOffset: of(partition).length, leaderEpoch: 0 }),
    read: async (partition, from) => fetched(of(partition).map(oneRecord).slice(from)),
  }
  return wouldDouble('eu', TOPIC, facts)
}

describe('a first start is held back', () => {
  test('by what an application, or another tool, wrote before the link began', async () => {
    expect(await judge({ logs: [[APPLICATION]], before: { topicId: 'id-1', ends: [1, 0] } })).toBe(true)
    expect(await judge({ logs: [[WRITER], [WRITER, APPLICATION]], before: { topicId: 'id-1', ends: [1, 2] } })).toBe(
      true,
    )
  })

  test('not by what came after the link began', async () => {
    expect(await judge({ logs: [[APPLICATION], [APPLICATION]] })).toBe(false)
    expect(await judge({ logs: [[WRITER, APPLICATION]], before: { topicId: 'id-1', ends: [1] } })).toBe(false)
    expect(await judge({ logs: [[], [APPLICATION]], before: { topicId: 'id-1', ends: [0] } })).toBe(false)
  })

  test('not by copies that the gateways of other links wrote', async () => {
    expect(await judge({ logs: [[WRITER, WRITER]], before: { topicId: 'id-1', ends: [2, 0] } })).toBe(false)
  })

  test('not where the link has fetched any partition of the topic', async () => {
    const before = { topicId: 'id-1', ends: [1, 1] }
    expect(await judge({ logs: [[APPLICATION], [APPLICATION]], before, written: [1] })).toBe(false)
  })

  test('not by another topic of that name, nor by what retention has taken since', async () => {
    expect(await judge({ logs: [[APPLICATION]], before: { topicId: 'id-0', ends: [1] } })).toBe(false)
    const before = { topicId: 'id-1', ends: [1] }
    expect(await judge({ logs: [[APPLICATION, APPLICATION]], before, logStart: 1 })).toBe(false)
  })
})
