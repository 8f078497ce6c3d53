import { GatewayError } from '../errors.ts'
import type { FetchedBatches, LogOffsets, TopicPartition } from '../kafka/types.ts'
import { CommittedScan } from '../record/committed-scan.ts'
import type { ListedTopic } from './ports.ts'

/** Where the logs of a topic ended when a link began: only what lies below can be what another tool mirrored before. */
export interface EndsBefore {
  readonly topicId: string
  /** By partition, 0 for an empty one; those that came later are beyond its length. */
  readonly ends: readonly number[]
}

/** What has to be known to judge a first start; of the running gateway, or of `isthmus check`. */
export interface FirstStartFacts {
  /** undefined: the topic was not here, or was empty, when the link began. */
  endsBefore(origin: string, topic: string): EndsBefore | undefined
  /** The link has a writer or a checkpoint there: no first start any more. */
  hasFetched(origin: string, topic: string, partition: number): boolean
  /** Does the registry know this producerId? Whichever link it writes for: its records are copies, not foreign. */
  isWriter(producerId: number): boolean
  offsets(partition: TopicPartition): Promise<LogOffsets>
  read(partition: TopicPartition, fromOffset: number, maxBytes: number, maxWaitMs: number): Promise<FetchedBatches>
}

/** How much of each partition is looked at, from its log start; of batches only the headers. */
const LOOK_BYTES = 4 * 1024 * 1024
const LOOK_AT_ONCE_BYTES = 1024 * 1024
const LOOK_WAIT_MS = 500

/**
 * Could starting `topic` at the earliest record double what another tool mirrored before? Only where this link never
 * fetched any of its partitions, and one of them still holds records that were here before the link began and that no
 * gateway wrote. Rejects with KafkaFailure where that cannot be seen now.
 */
export async function wouldDouble(origin: string, topic: ListedTopic, facts: FirstStartFacts): Promise<boolean> {
  const before = facts.endsBefore(origin, topic.name)
  if (before === undefined || before.topicId !== topic.topicId) return false
  const partitions = Array.from({ length: topic.partitions }, (_, partition) => partition)
  if (partitions.some(partition => facts.hasFetched(origin, topic.name, partition))) return false
  for (const partition of partitions) {
    const end = before.ends[partition] ?? 0
    if (end > 0 && (await holdsForeign({ topic: topic.name, partition }, end, facts))) return true
  }
  return false
}

async function holdsForeign(partition: TopicPartition, endBefore: number, facts: FirstStartFacts): Promise<boolean> {
  const { logStartOffset, endOffset } = await facts.offsets(partition)
  const limit = Math.min(endBefore, endOffset)
  let at = logStartOffset
  for (let left = LOOK_BYTES; at < limit && left > 0; ) {
    const fetched = await facts.read(partition, at, LOOK_AT_ONCE_BYTES, LOOK_WAIT_MS)
    try {
      const scan = new CommittedScan(fetched.records, [], at)
      while (scan.advance() && scan.baseOffset < limit) {
        if (scan.kind === 'data' && !facts.isWriter(scan.producerId)) return true
      }
      if (scan.nextOffset <= at) return false
      left -= fetched.records.length
      at = scan.nextOffset
    } catch (error) {
      // No gateway writes what cannot be read: batches of an old format, damaged ones.
      if (error instanceof GatewayError) return true
      throw error
    } finally {
      fetched.release()
    }
  }
  return false
}
