import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { TopicPartition } from '../kafka/types.ts'
import {
  baseOffsetOf,
  batchEnd,
  isControl,
  isTransactional,
  nextOffsetOf,
  producerIdOf,
  recordCountOf,
} from '../record/batch.ts'
import type { PositionHeader } from '../record/position.ts'
import { lastRecord, positionOf } from '../record/records.ts'
import { SCAN_READ_BYTES } from './limits.ts'
import type { TargetLog } from './ports.ts'

const READ_WAIT_MS = 1_000
/** Each waits READ_WAIT_MS: a leader that does not show what is in its log by then is a doubt. */
const EMPTY_READS_MAX = 10

/** One batch that this link wrote, as read back from the target log. */
export interface OwnBatch {
  readonly producerId: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly position: PositionHeader
}

export interface OwnMarker {
  readonly producerId: number
  readonly offset: number
  readonly committed: boolean
}

/** What of ours lies in a stretch of the target log. */
export interface OwnLog {
  /** Plain batches, and those of committed transactions, in the order in which they came to count. */
  readonly committed: readonly OwnBatch[]
  readonly markers: readonly OwnMarker[]
}

export interface WalkedBatch {
  readonly batch: Buffer
  readonly baseOffset: number
  readonly nextOffset: number
}

/** The whole batches of a record set, one after the other. */
export function* walk(records: Buffer): Generator<WalkedBatch> {
  let at = 0
  for (let end = batchEnd(records, at); end > 0; end = batchEnd(records, at)) {
    const batch = records.subarray(at, end)
    yield { batch, baseOffset: baseOffsetOf(batch), nextOffset: nextOffsetOf(batch) }
    at = end
  }
}

/** The key of a control record: int16 version, int16 type; type 1 is COMMIT, 0 ABORT (KIP-98). */
export function isCommitMarker(batch: Buffer): boolean {
  const key = lastRecord(batch)?.key
  return key != null && key.length >= 4 && key.readInt16BE(2) === 1
}

/**
 * Reads all of [from, to) of the target log and keeps what was written under one of `ownProducerIds`. Rejects with
 * KafkaFailure `ambiguous` when a leader does not show the end of it: a new one may lag behind for a moment.
 */
export async function scanOwn(
  target: TargetLog,
  partition: TopicPartition,
  from: number,
  to: number,
  ownProducerIds: ReadonlySet<number>,
): Promise<OwnLog> {
  const committed: OwnBatch[] = []
  const markers: OwnMarker[] = []
  const open = new Map<number, OwnBatch[]>()
  let offset = from
  let emptyReads = 0
  while (offset < to) {
    const fetched = await target.read(partition, offset, SCAN_READ_BYTES, READ_WAIT_MS)
    const before = offset
    try {
      for (const { batch, baseOffset, nextOffset } of walk(fetched.records)) {
        if (baseOffset >= to) return { committed, markers }
        if (nextOffset <= offset) continue
        offset = nextOffset
        const id = producerIdOf(batch)
        if (!ownProducerIds.has(id)) continue
        if (isControl(batch)) {
          const commit = isCommitMarker(batch)
          markers.push({ producerId: id, offset: baseOffset, committed: commit })
          if (commit) committed.push(...(open.get(id) ?? []))
          open.delete(id)
          continue
        }
        const own = readOwn(batch, id, baseOffset, nextOffset)
        if (!own) continue
        if (!isTransactional(batch)) committed.push(own)
        else open.set(id, [...(open.get(id) ?? []), own])
      }
    } finally {
      fetched.release()
    }
    // ✱ What lies below `to` is known to be in the log: a leader that does not show it yet says nothing about it.
    emptyReads = offset === before ? emptyReads + 1 : 0
    if (emptyReads >= EMPTY_READS_MAX) throw notShown(partition, offset, to)
  }
  return { committed, markers }
}

function notShown(partition: TopicPartition, offset: number, to: number): KafkaFailure {
  const where = `${partition.topic}-${partition.partition}`
  return new KafkaFailure('ambiguous', 'LOG_BEHIND', `${where} shows nothing from ${offset}, it reached ${to}`)
}

/**
 * The batch of ours that begins exactly at `offset`; undefined when something else is there. `offset` is below the end of
 * the log; rejects with KafkaFailure `ambiguous` when the leader does not show it.
 */
export async function ownBatchAt(
  target: TargetLog,
  partition: TopicPartition,
  offset: number,
  ownProducerIds: ReadonlySet<number>,
): Promise<OwnBatch | undefined> {
  for (let reads = 0; reads < EMPTY_READS_MAX; reads++) {
    const fetched = await target.read(partition, offset, 1, READ_WAIT_MS)
    try {
      for (const { batch, baseOffset, nextOffset } of walk(fetched.records)) {
        const id = producerIdOf(batch)
        if (baseOffset !== offset || !ownProducerIds.has(id) || isControl(batch)) return undefined
        return readOwn(batch, id, baseOffset, nextOffset)
      }
    } finally {
      fetched.release()
    }
  }
  throw notShown(partition, offset, offset + 1)
}

/** Undefined when compaction left the batch without its last record: then it says nothing (2.5). */
function readOwn(batch: Buffer, id: number, baseOffset: number, nextOffset: number): OwnBatch | undefined {
  if (recordCountOf(batch) === 0) return undefined
  const position = positionOf(batch)
  if (!position) return undefined
  if (position.producerId === id) return { producerId: id, baseOffset, nextOffset, position }
  throw new GatewayError(
    'POSITION_BROKEN',
    'partition',
    `the batch at target offset ${baseOffset} was written by producerId ${id} but its position header names ${position.producerId}`,
  )
}
