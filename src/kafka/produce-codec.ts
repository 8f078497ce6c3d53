import type { ReadyBatch } from '../record/ready-batch.ts'
import type { BrokerConnection } from './connection.ts'
import { type WireReader, WireWriter } from './wire.ts'

/** Produce v9 to v13, by hand: batch bodies go to the socket as they are, and every partition's answer is read. */

export const PRODUCE_KEY = 0
/** The first version with topic ids (Kafka 4.1): a re-created topic is refused instead of written to. */
export const PRODUCE_BY_ID = 13
/** v12 and later re-open a transaction by themselves, late packets included (F18). */
const PRODUCE_MAX_TRANSACTIONAL = 11
const PRODUCE_MIN = 9

export interface ProducePartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly batch: ReadyBatch
}

export interface ProducedPartition {
  /** Topic id from v13 on, name below. */
  readonly topicKey: string
  readonly partition: number
  readonly errorCode: number
  readonly baseOffset: number
  readonly message: string | null
}

export interface ProduceResponse {
  readonly throttleTimeMs: number
  readonly partitions: readonly ProducedPartition[]
}

/** How long a broker waits for its in-sync replicas before it answers REQUEST_TIMED_OUT. */
export const PRODUCE_TIMEOUT_MS = 10_000
/** What the answer may take beyond that. */
export const ANSWER_SLACK_MS = 10_000

const ACKS_ALL = -1
const PARTITION_BYTES = 16 + 61
const TOPIC_BYTES = 300

/**
 * The body in pieces: what is written here, and between it the bodies of the batches, not copied. At most one batch
 * per partition (record-batches.md 2).
 */
export function encodeProduce(
  version: number,
  transactionalId: string | null,
  timeoutMs: number,
  partitions: readonly ProducePartition[],
): Buffer[] {
  const byTopic = Map.groupBy(partitions, partition => partition.topic)
  const writer = new WireWriter(64 + byTopic.size * TOPIC_BYTES + partitions.length * PARTITION_BYTES)
  const pieces: Buffer[] = []
  writer.compactString(transactionalId).int16(ACKS_ALL).int32(timeoutMs).compactArrayLength(byTopic.size)
  for (const [topic, ofTopic] of byTopic) {
    if (version >= PRODUCE_BY_ID) writer.uuid(ofTopic[0]!.topicId)
    else writer.compactString(topic)
    writer.compactArrayLength(ofTopic.length)
    for (const { partition, batch } of ofTopic) {
      writer
        .int32(partition)
        .unsignedVarint(batch.sizeBytes + 1)
        .bytes(batch.header)
      pieces.push(writer.cut(), ...batch.body)
      writer.noTaggedFields()
    }
    writer.noTaggedFields()
  }
  pieces.push(writer.noTaggedFields().cut())
  return pieces
}

export function parseProduce(version: number, reader: WireReader): ProduceResponse {
  const partitions: ProducedPartition[] = []
  const topics = reader.compactArrayLength()
  for (let i = 0; i < topics; i++) {
    const topicKey = version >= PRODUCE_BY_ID ? reader.uuid() : (reader.compactString() ?? '')
    const count = reader.compactArrayLength()
    for (let j = 0; j < count; j++) partitions.push(parsePartition(topicKey, reader))
    reader.taggedFields()
  }
  return { throttleTimeMs: reader.int32(), partitions }
}

function parsePartition(topicKey: string, reader: WireReader): ProducedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const baseOffset = reader.int64()
  // Log append time and log start offset.
  reader.int64()
  reader.int64()
  let message: string | null = null
  const recordErrors = reader.compactArrayLength()
  for (let i = 0; i < recordErrors; i++) {
    const index = reader.int32()
    const said = reader.compactString()
    message ??= said === null ? `record ${index}` : `record ${index}: ${said}`
    reader.taggedFields()
  }
  const summary = reader.compactString()
  reader.taggedFields()
  return { topicKey, partition, errorCode, baseOffset, message: summary ?? message }
}

/** By topic id where the broker offers it and the batch is no part of a transaction. */
export function produceVersion(connection: BrokerConnection, transactional: boolean): number {
  if (!transactional && connection.supports(PRODUCE_KEY, PRODUCE_BY_ID)) return PRODUCE_BY_ID
  const offered = connection.versions.get(PRODUCE_KEY)?.max ?? PRODUCE_MIN
  return Math.max(PRODUCE_MIN, Math.min(offered, PRODUCE_MAX_TRANSACTIONAL))
}
