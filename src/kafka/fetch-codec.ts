import { type WireReader, WireWriter } from './wire.ts'

/**
 * Fetch v12 (topics by name) and v13 (by id), KIP-516, without fetch sessions. Written by hand so that a record set is
 * one slice of the response; the library's parser decodes every record.
 */

export const FETCH_KEY = 1
export const FETCH_BY_ID = 13
export const FETCH_BY_NAME = 12

/** What Metadata says of a topic that was created before Kafka 2.8 and never got an id. */
export const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'

export type Isolation = 'read-uncommitted' | 'read-committed'

export interface FetchPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  /** Leader epoch as we know it, -1 unknown: lets the broker refuse stale metadata. */
  readonly currentLeaderEpoch: number
  readonly lastFetchedEpoch: number
}

export interface FetchLimits {
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly partitionMaxBytes: number
  readonly isolation: Isolation
}

export interface FetchedPartition {
  /** Topic id in v13, name in v12. */
  readonly topicKey: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** Set when the history of the log differs from ours (KIP-595). */
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: number } | undefined
  readonly abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[]
  readonly records: Buffer
}

export interface FetchResponse {
  readonly throttleTimeMs: number
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

const CONSUMER_REPLICA_ID = -1
const NO_SESSION_ID = 0
/** A full request that begins no session (KIP-227). */
const NO_SESSION_EPOCH = -1
const MIN_BYTES = 1
const PARTITION_BYTES = 34
const TOPIC_BYTES = 300
const NO_BYTES = Buffer.alloc(0)

export function encodeFetch(version: number, partitions: readonly FetchPartition[], limits: FetchLimits): Buffer {
  const byTopic = Map.groupBy(partitions, partition => partition.topic)
  const writer = new WireWriter(64 + byTopic.size * TOPIC_BYTES + partitions.length * PARTITION_BYTES)
  writer.int32(CONSUMER_REPLICA_ID).int32(limits.maxWaitMs).int32(MIN_BYTES).int32(limits.maxBytes)
  writer
    .int8(limits.isolation === 'read-committed' ? 1 : 0)
    .int32(NO_SESSION_ID)
    .int32(NO_SESSION_EPOCH)
  writer.compactArrayLength(byTopic.size)
  for (const [topic, ofTopic] of byTopic) {
    if (version >= FETCH_BY_ID) writer.uuid(ofTopic[0]!.topicId)
    else writer.compactString(topic)
    writer.compactArrayLength(ofTopic.length)
    for (const partition of ofTopic) {
      writer.int32(partition.partition).int32(partition.currentLeaderEpoch).int64(partition.offset)
      writer.int32(partition.lastFetchedEpoch).int64(-1).int32(limits.partitionMaxBytes).noTaggedFields()
    }
    writer.noTaggedFields()
  }
  // No forgotten topics (sessions), no rack.
  return writer.compactArrayLength(0).compactString('').noTaggedFields().cut()
}

export function parseFetch(version: number, reader: WireReader): FetchResponse {
  const throttleTimeMs = reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const partitions: FetchedPartition[] = []
  const topics = reader.compactArrayLength()
  for (let i = 0; i < topics; i++) {
    const topicKey = version >= FETCH_BY_ID ? reader.uuid() : (reader.compactString() ?? '')
    const count = reader.compactArrayLength()
    for (let j = 0; j < count; j++) partitions.push(parsePartition(topicKey, reader))
    reader.taggedFields()
  }
  return { throttleTimeMs, errorCode, partitions }
}

function parsePartition(topicKey: string, reader: WireReader): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  const logStartOffset = reader.int64()
  const abortedTransactions = parseAborted(reader)
  // The preferred read replica: never set, since we give no rack.
  reader.int32()
  const records = reader.compactBytes() ?? NO_BYTES
  let divergingEpoch: FetchedPartition['divergingEpoch']
  reader.taggedFields((tag, field) => {
    if (tag !== 0) return
    divergingEpoch = { epoch: field.int32(), endOffset: field.int64() }
  })
  return {
    topicKey,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    divergingEpoch,
    abortedTransactions,
    records,
  }
}

const NONE_ABORTED: FetchedPartition['abortedTransactions'] = []

function parseAborted(reader: WireReader): FetchedPartition['abortedTransactions'] {
  const count = reader.compactArrayLength()
  if (count <= 0) return NONE_ABORTED
  const aborted: { producerId: number; firstOffset: number }[] = []
  for (let i = 0; i < count; i++) {
    aborted.push({ producerId: reader.int64(), firstOffset: reader.int64() })
    reader.taggedFields()
  }
  return aborted
}
