import { expect, test } from 'vitest'
import { systemClock } from '../../../src/component.ts'
import { type FencePorts, fence } from '../../../src/ingest/fence.ts'
import type { TargetLog, WriterRegistry } from '../../../src/ingest/ports.ts'
import { KafkaFailure } from '../../../src/kafka/failure.ts'

test('a producerId is registered before anything is written under it', async () => {
  const calls: string[] = []
  const stopHere = new KafkaFailure('fenced', 'PRODUCER_FENCED', 'far enough')
  const target = {
    initProducerId: async () => ({ producerId: 7, producerEpoch: 0 }),
    describeTransaction: async () => undefined,
    topicId: async () => '11111111-1111-4111-8111-111111111111',
    offsets: async () => ({ logStartOffset: 0, endOffset: 0, leaderEpoch: 0 }),
    addPartitionsToTxn: async () => {
      calls.push('transaction')
      throw stopHere
    },
  } as Partial<TargetLog> as TargetLog
  const registry = {
    writersOf: () => [],
    generationOf: () => 0,
    catchUp: async () => {},
    register: async ({ producerId, origin, topic, partition }) => {
      calls.push(`registered ${producerId} for ${origin}/${topic}-${partition}`)
    },
  } as Partial<WriterRegistry> as WriterRegistry
  const ports: FencePorts = { target, registry, clock: systemClock, sessionTimeoutMs: 1, isOwner: () => true }
  await expect(fence({ origin: 'eu', topic: 'orders', partition: 3 }, [], ports)).rejects.toBe(stopHere)
  expect(calls).toEqual(['registered 7 for eu/orders-3', 'transaction'])
})
