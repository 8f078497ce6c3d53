import type { ClusterTargetLog, ProducerIdentity, TopicPartition } from '../../src/kafka/index.ts'

import {
  baseOffsetOf,
  isControl,
  nextOffsetOf,
  producerEpochOf,
  producerIdOf,
  splitBatches,
} from '../../src/record/batch.ts'
import { buildBatch } from '../../src/record/build-batch.ts'
import type { ReadyBatch } from '../../src/record/ready-batch.ts'
import { iterateRecords } from '../../src/record/records.ts'

const TRANSACTION_TIMEOUT_MS = 10_000
const READ_BYTES = 1024 * 1024

export interface Fenced {
  readonly identity: ProducerIdentity
  /** Offset of our marker. */
  readonly markerOffset: number
}

/** T1 to T4 of exactly-once.md 2 by hand. */
export async function fence(
  log: ClusterTargetLog,
  transactionalId: string,
  partition: TopicPartition,
): Promise<Fenced> {
  const identity = await log.initProducerId(transactionalId, TRANSACTION_TIMEOUT_MS)
  const { endOffset } = await log.offsets(partition)
  await log.addPartitionsToTxn(transactionalId, identity, [partition])
  await log.endTxn(transactionalId, identity, false)
  for (let at = endOffset, reads = 0; reads < 100; reads++) {
    const { records } = await log.read(partition, at, READ_BYTES, 100)
    for (const batch of splitBatches(records)) {
      const own = producerIdOf(batch) === identity.producerId && producerEpochOf(batch) === identity.producerEpoch
      if (isControl(batch) && own) return { identity, markerOffset: baseOffsetOf(batch) }
      at = nextOffsetOf(batch)
    }
  }
  throw new Error('the marker did not appear')
}

/** One batch whose records are numbered from `first`. */
export function numbered(first: number, count: number, valueBytes = 0): ReadyBatch {
  const records = Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(String(first + i)),
    value: Buffer.alloc(valueBytes, 'x'),
    timestampMs: Date.now(),
  }))
  return buildBatch(records)
}

/** The keys of all data records of a partition, in order, read uncommitted. */
export async function readKeys(log: ClusterTargetLog, partition: TopicPartition): Promise<string[]> {
  const keys: string[] = []
  const { logStartOffset, endOffset } = await log.offsets(partition)
  for (let at = logStartOffset; at < endOffset; ) {
    const { records } = await log.read(partition, at, READ_BYTES, 0)
    for (const batch of splitBatches(records)) {
      if (!isControl(batch)) for (const record of iterateRecords(batch)) keys.push(record.key?.toString() ?? '')
      at = nextOffsetOf(batch)
    }
  }
  return keys
}
