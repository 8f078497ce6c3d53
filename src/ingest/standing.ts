import type { TransformedBatch } from '../record/transform.ts'
import type { Fenced, LinkPartition } from './fence.ts'
import type { Checkpoint } from './ports.ts'

/** Where a partition of a link stands: read back at takeover (T5), moved by every batch that is safe. */
export interface Standing {
  /** First position ever, resolved. */
  readonly start: number
  readonly originTopicId: string
  /** Next origin offset needed. */
  readonly position: number
  /** `next` of our last batch in the log: the next batch's `from`. At most `position`. */
  readonly written: number
  /** A reported gap lies between `written` and `position`. */
  readonly gap: boolean
  readonly originLeaderEpoch: number
  /** Base offset of our last batch in the target log, -1 none. */
  readonly targetOffset: number
  /** Every batch of ours below this target offset is covered by `position`. */
  readonly scanFrom: number
  readonly targetLeaderEpoch: number
}

export const NOTHING_WRITTEN: Standing = {
  start: 0,
  originTopicId: '',
  position: 0,
  written: 0,
  gap: false,
  originLeaderEpoch: -1,
  targetOffset: -1,
  scanFrom: 0,
  targetLeaderEpoch: -1,
}

/** A first start, a refill or a new incarnation of the origin topic: from `start`, with nothing of ours to be found below `scanFrom`. */
export function standingAt(start: number, originTopicId: string, scanFrom: number): Standing {
  return { ...NOTHING_WRITTEN, start, position: start, written: start, originTopicId, scanFrom }
}

export function afterWrite(
  standing: Standing,
  batch: TransformedBatch,
  originLeaderEpoch: number,
  baseOffset: number,
  targetLeaderEpoch: number,
): Standing {
  return {
    ...standing,
    position: Math.max(standing.position, batch.next),
    written: batch.next,
    gap: false,
    originLeaderEpoch,
    targetOffset: baseOffset,
    scanFrom: baseOffset + batch.recordCount,
    targetLeaderEpoch,
  }
}

export function toCheckpoint(
  partition: LinkPartition,
  fenced: Fenced,
  standing: Standing,
  sequence: number,
  savedAtMs: number,
): Checkpoint {
  return {
    origin: partition.origin,
    topic: partition.topic,
    partition: partition.partition,
    generation: fenced.generation,
    ...fenced.identity,
    ...standing,
    targetTopicId: fenced.targetTopicId,
    sequence,
    savedAtMs,
  }
}

export function fromCheckpoint(checkpoint: Checkpoint): Standing {
  const { start, originTopicId, position, written, gap } = checkpoint
  const { originLeaderEpoch, targetOffset, scanFrom, targetLeaderEpoch } = checkpoint
  return {
    start,
    originTopicId,
    position,
    written,
    gap,
    originLeaderEpoch,
    targetOffset,
    scanFrom,
    targetLeaderEpoch,
  }
}
