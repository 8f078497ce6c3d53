import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { LogOffsets, TopicPartition } from '../kafka/types.ts'
import { newest } from './checkpoint.ts'
import type { Fenced, LinkPartition } from './fence.ts'
import { type OwnBatch, type OwnLog, ownBatchAt, scanOwn } from './own-batches.ts'
import type { Checkpoint, Checkpoints, TargetLog } from './ports.ts'
import { fromCheckpoint, type Standing } from './standing.ts'

export type Tail =
  | { readonly kind: 'stands'; readonly standing: Standing; readonly superseded: readonly Checkpoint[] }
  | { readonly kind: 'first-start' }
  | { readonly kind: 'target-recreated'; readonly last: Checkpoint; readonly superseded: readonly Checkpoint[] }
  | { readonly kind: 'target-emptied'; readonly last: Checkpoint; readonly superseded: readonly Checkpoint[] }

export interface TailPorts {
  readonly target: TargetLog
  readonly checkpoints: Checkpoints
  /** Every producerId that ever wrote for this partition of the link. */
  readonly ownProducerIds: ReadonlySet<number>
  readonly compacted: boolean
}

const FIRST_WINDOW_OFFSETS = 10_000
const WINDOW_GROWTH = 4

/**
 * T5: reads the position back from a log prefix that can no longer change, since `fenced.markerOffset` ends it.
 * Rejects with GatewayError POSITION_BROKEN or TARGET_ALARM where the log contradicts itself: halt, never guess.
 */
export async function findTail(partition: LinkPartition, fenced: Fenced, ports: TailPorts): Promise<Tail> {
  await ports.checkpoints.catchUp()
  const all = ports.checkpoints.of(partition.origin, partition.topic, partition.partition)
  // A checkpoint names a writer of ours, also where the registry lost it: what it wrote must not be fetched again.
  const ownProducerIds = new Set([...ports.ownProducerIds, ...all.map(one => one.producerId)])
  return await tailOf(partition, fenced, all, { ...ports, ownProducerIds })
}

async function tailOf(
  partition: LinkPartition,
  fenced: Fenced,
  all: readonly Checkpoint[],
  ports: TailPorts,
): Promise<Tail> {
  const newer = all.find(one => isNewerRun(one, fenced))
  // Its position is right, but the log was only read up to our older marker: saved as ours it would contradict the log.
  if (newer)
    throw new KafkaFailure('fenced', 'OTHER_WRITER', `${name(partition)}: epoch ${newer.producerEpoch} took over`)
  const { confirmed, unconfirmed } = newest(all)
  if (confirmed && confirmed.targetTopicId !== fenced.targetTopicId)
    return { kind: 'target-recreated', last: confirmed, superseded: all }
  const offsets = await ports.target.offsets(partition)
  const scanFrom = confirmed ? await scanPoint(partition, confirmed, offsets, fenced.markerOffset, ports) : undefined
  if (confirmed && scanFrom !== undefined) {
    const retentionPassed = offsets.logStartOffset > scanFrom
    const from = Math.max(scanFrom, offsets.logStartOffset)
    const log = await scanOwn(ports.target, partition, from, fenced.markerOffset, ports.ownProducerIds)
    if (!ports.compacted) checkContinuity(partition, retentionPassed ? undefined : confirmed, log.committed)
    const intactTo = unconfirmed ? await endOfLineage(partition, unconfirmed, ports) : 0
    const standing = combine(confirmed, unconfirmed, intactTo, log, fenced, offsets)
    return { kind: 'stands', standing, superseded: all }
  }
  const log = await searchBackwards(partition, offsets.logStartOffset, fenced.markerOffset, ports)
  const last = log.committed.at(-1)
  if (last) {
    if (!ports.compacted) checkContinuity(partition, undefined, log.committed)
    // ✱ Of a checkpoint that the log contradicts only the first position ever is still true.
    const standing = { ...fromLog(last, undefined, fenced, offsets), start: confirmed?.start ?? 0 }
    return { kind: 'stands', standing, superseded: all }
  }
  if (!confirmed) return { kind: 'first-start' }
  if (offsets.logStartOffset === 0) return { kind: 'target-emptied', last: confirmed, superseded: all }
  throw new GatewayError(
    'TARGET_ALARM',
    'partition',
    `${name(partition)}: the target log was truncated below offset ${confirmed.targetOffset}, and nothing written for ${partition.origin} is left above its log start ${offsets.logStartOffset}`,
    {
      hint: 'nothing is guessed: bring the replica back that holds these records, or delete the topic here, so that topics.onTargetRecreated decides',
    },
  )
}

/**
 * The target offset to scan from, when the checkpoint still describes this log; undefined when the log was truncated
 * below it (unclean election) and the checkpoint must be discarded.
 */
async function scanPoint(
  partition: TopicPartition,
  checkpoint: Checkpoint,
  offsets: LogOffsets,
  marker: number,
  ports: TailPorts,
): Promise<number | undefined> {
  const { targetOffset, scanFrom, written } = checkpoint
  if (offsets.logStartOffset > scanFrom) return scanFrom
  const intactTo = await endOfLineage(partition, checkpoint, ports)
  const changedBelowScan = intactTo < scanFrom
  if (targetOffset < offsets.logStartOffset) return changedBelowScan ? offsets.logStartOffset : scanFrom
  if (targetOffset >= offsets.endOffset) return undefined
  const named = await ownBatchAt(ports.target, partition, targetOffset, ports.ownProducerIds)
  const isThere = named !== undefined && named.position.next === written
  if (!isThere) {
    // Compaction may have taken it, or its last record; then only the leader epochs tell whether the log was cut.
    const compactedAway = ports.compacted && named === undefined && intactTo > targetOffset
    if (!compactedAway) return undefined
    return changedBelowScan ? targetOffset : scanFrom
  }
  if (!changedBelowScan) return scanFrom
  // ✱ It is there, but the marker that made it count may be gone.
  const { committed } = await scanOwn(ports.target, partition, targetOffset, marker, ports.ownProducerIds)
  return committed.some(batch => batch.baseOffset === targetOffset) ? named.nextOffset : undefined
}

/** Up to where the log still is what it was when this was saved: an unclean election cuts, and begins a new epoch there. */
async function endOfLineage(
  partition: TopicPartition,
  { targetLeaderEpoch }: Checkpoint,
  ports: TailPorts,
): Promise<number> {
  if (targetLeaderEpoch < 0) return Number.POSITIVE_INFINITY
  return (await ports.target.endOffsetForEpoch(partition, targetLeaderEpoch)).endOffset
}

/** Without a usable checkpoint: growing windows back from the marker until a committed batch of ours is in one. */
async function searchBackwards(
  partition: TopicPartition,
  logStart: number,
  marker: number,
  ports: TailPorts,
): Promise<OwnLog> {
  let width = FIRST_WINDOW_OFFSETS
  for (;;) {
    const from = Math.max(logStart, marker - width)
    const log = await scanOwn(ports.target, partition, from, marker, ports.ownProducerIds)
    if (log.committed.length > 0 || from === logStart) return log
    width *= WINDOW_GROWTH
  }
}

/** ✱ Within what is read, each batch's `from` equals its predecessor's `next`. */
function checkContinuity(
  partition: TopicPartition,
  checkpoint: Checkpoint | undefined,
  committed: readonly OwnBatch[],
): void {
  let expected = checkpoint?.written
  let topicId = checkpoint?.originTopicId
  for (const batch of committed) {
    if (topicId !== undefined && batch.position.topicId !== topicId)
      throw broken(partition, batch, `is of origin topic id ${batch.position.topicId}, expected ${topicId}`)
    if (expected !== undefined && batch.position.from !== expected)
      throw broken(partition, batch, `covers from origin offset ${batch.position.from}, expected ${expected}`)
    expected = batch.position.next
    topicId = batch.position.topicId
  }
}

function broken(partition: TopicPartition, batch: OwnBatch, what: string): GatewayError {
  return new GatewayError(
    'POSITION_BROKEN',
    'partition',
    `${name(partition)}: the batch at target offset ${batch.baseOffset} ${what}`,
    { hint: 'the target log lost or gained records behind our back; compare with the origin before going on' },
  )
}

/** The higher of the last committed batch, the confirmed checkpoint and a progress record that holds. */
function combine(
  confirmed: Checkpoint,
  unconfirmed: Checkpoint | undefined,
  intactTo: number,
  log: OwnLog,
  fenced: Fenced,
  offsets: LogOffsets,
): Standing {
  const last = log.committed.at(-1)
  const standing = last ? fromLog(last, confirmed, fenced, offsets) : scanned(confirmed, fenced, offsets)
  if (!unconfirmed?.transaction || unconfirmed.position <= standing.position) return standing
  const { firstTargetOffset, lastTargetOffset } = unconfirmed.transaction
  // ✱ The log was truncated below it (unclean election): what came before it may be gone as well, only the log tells.
  if (intactTo < firstTargetOffset) return standing
  const holds = intactTo > lastTargetOffset && progressHolds(unconfirmed, log)
  const position = holds ? unconfirmed.position : unconfirmed.transaction.from
  if (position <= standing.position) return standing
  return { ...scanned(unconfirmed, fenced, offsets), position, written: position, start: confirmed.start }
}

/** ✱ 2.2: it holds only if the first marker of its producerId after its first batch is a COMMIT after its last. */
function progressHolds(progress: Checkpoint, log: OwnLog): boolean {
  const transaction = progress.transaction
  if (!transaction) return false
  const marker = log.markers.find(
    one => one.producerId === progress.producerId && one.offset > transaction.firstTargetOffset,
  )
  return marker?.committed === true && marker.offset > transaction.lastTargetOffset
}

function isNewerRun({ generation, producerEpoch }: Checkpoint, fenced: Fenced): boolean {
  if (generation !== fenced.generation) return generation > fenced.generation
  return producerEpoch > fenced.identity.producerEpoch
}

/** As the checkpoint says; the log was scanned up to our marker. */
function scanned(checkpoint: Checkpoint, fenced: Fenced, offsets: LogOffsets): Standing {
  return { ...fromCheckpoint(checkpoint), scanFrom: fenced.markerOffset, targetLeaderEpoch: offsets.leaderEpoch }
}

function fromLog(last: OwnBatch, checkpoint: Checkpoint | undefined, fenced: Fenced, offsets: LogOffsets): Standing {
  const covered = checkpoint !== undefined && checkpoint.position > last.position.next
  return {
    start: checkpoint?.start ?? 0,
    originTopicId: last.position.topicId,
    position: covered ? checkpoint.position : last.position.next,
    written: last.position.next,
    gap: covered ? checkpoint.gap : false,
    originLeaderEpoch: covered ? checkpoint.originLeaderEpoch : last.position.leaderEpoch,
    targetOffset: last.baseOffset,
    scanFrom: fenced.markerOffset,
    targetLeaderEpoch: offsets.leaderEpoch,
  }
}

function name(partition: TopicPartition): string {
  return `${partition.topic}-${partition.partition}`
}
