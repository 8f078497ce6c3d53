import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { Appended } from '../kafka/types.ts'
import type { OriginRange } from '../record/source-cursor.ts'
import type { TransformedBatch, TransformResult } from '../record/transform.ts'
import { transform } from '../record/transform.ts'
import type { Fenced, LinkPartition } from './fence.ts'
import { type Cut, recordsIn } from './inbox.ts'
import type { IngestLimits } from './limits.ts'
import type { Checkpoints, IngestObserver, TargetLog } from './ports.ts'
import type { Standing } from './standing.ts'

export type WriteMode = 'plain' | 'transaction'

/** One writer run: everything between a takeover and its end. */
export interface Taken {
  readonly fenced: Fenced
  readonly mode: WriteMode
}

/** How a run ends. Every doubt is answered by a new takeover of that partition. */
export type RunEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'doubt'; readonly cause: KafkaFailure }
  | { readonly kind: 'mode'; readonly mode: WriteMode; readonly why: string }
  /** The standing itself changes (a reported gap, a new incarnation of the origin topic): durable first, then T1. */
  | { readonly kind: 'move'; readonly to: (standing: Standing) => Standing; readonly why: string }
  | { readonly kind: 'halt'; readonly error: GatewayError }

/** What a run needs of the partition it writes. Implemented by PartitionWriter. */
export interface RunPartition {
  readonly spec: PartitionSpec
  readonly target: TargetLog
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly limits: IngestLimits
  readonly observer: IngestObserver
  readonly standing: Standing
  /** Set when the run must end: stop asked for, lane lost, a source that cannot go on. */
  endAsked(): RunEnd | undefined
  /** The time to stop in is used up: what is in flight is left to the next owner's fence. */
  readonly drainOver: boolean
  /** Work from the front of the inbox; undefined when there is none that may be written in this mode now. */
  cut(maxWireBytes: number, mode: WriteMode): Cut | undefined
  /** The front of the inbox needs the other mode. */
  otherModeNeeded(mode: WriteMode): string | undefined
  /** Too old for a plain write (F9). */
  isOld(batch: TransformedBatch): boolean
  bufferedBytes(): number
  /** Node-wide room for produce-ready bytes; false: `wait` wakes when there is. */
  reserve(bytes: number): boolean
  unreserve(bytes: number): void
  /** A batch cut from `cut` is safe in the target log. */
  wrote(batch: TransformedBatch, cut: Cut, appended: Appended): void
  /** The marker that makes what was written before it count. */
  committedAt(markerOffset: number): void
  /** Wire limit of one target batch: the topic's, or less once the target refused one as too large. */
  readonly maxBatchBytes: number
  /** Remembers a smaller limit; an error when the batch cannot be split any further. */
  refusedAsTooLarge(batch: TransformedBatch): GatewayError | undefined
  /** Everything of a cut is safe: credit and acknowledgement go back to the source. */
  finished(cut: Cut): void
  /** Forget what is buffered and fetch again from the standing position (same epoch). */
  rewind(): void
  /** Starts due upkeep (checkpoint, refresh, ownership); what it finds ends the run through `endAsked`. */
  upkeep(taken: Taken): Promise<void>
  /** Resolves at the next event for this partition or when upkeep is due. */
  wait(): Promise<void>
  /** Resolves at the next event for this partition. For those who do no upkeep: to them, being due would never end. */
  woken(): Promise<void>
  wake(): void
}

/** A partition of a link with what is known about its topic. */
export interface PartitionSpec extends LinkPartition {
  readonly originTopic: string
  readonly lane: number
  readonly compacted: boolean
  /** `max.message.bytes` of the target topic. */
  readonly maxMessageBytes: number
  /** `topics.onGap`, for gaps that a relay's batches tell of. */
  readonly onGap: 'skip' | 'halt'
}

/** Fallback ratio of uncompressed to wire bytes until the first batch has told. */
export const FIRST_RATIO = 3

/** How many wire bytes of source batches make about one target batch. */
export function wireTarget(limits: IngestLimits, ratio: number): number {
  return Math.max(16 * 1024, Math.floor(limits.targetBatchBytes / Math.max(1, ratio)))
}

/** The one place where source batches become a produce-ready batch. */
export function splice(
  part: RunPartition,
  taken: Taken,
  cut: Cut,
  from: number,
  gap: boolean,
  clusterHash: Buffer,
): TransformResult {
  const result = transform({
    batches: cut.batches,
    from,
    dropBelow: cut.from,
    next: cut.next,
    origin: part.spec.origin,
    stampMs: part.clock.nowMs(),
    relayed: cut.relayed,
    topicId: part.standing.originTopicId,
    leaderEpoch: cut.leaderEpoch,
    gap: gap || cut.gap,
    producerId: taken.fenced.identity.producerId,
    clusterHash,
    maxHops: part.limits.maxReplicationHops,
    maxBatchBytes: part.maxBatchBytes,
    maxLoneBatchBytes: part.spec.maxMessageBytes,
  })
  for (const gap of result.gaps) if (gap.to > cut.from) reportGap(part, gap)
  const { origin, topic } = part.spec
  // What is neither written nor dropped for its hops had been written before.
  const repeated = recordsIn(cut.batches) - result.records - result.droppedLoop
  if (repeated > 0) part.observer.dropped(origin, topic, 'duplicate', repeated)
  if (result.droppedLoop > 0) part.observer.dropped(origin, topic, 'loop', result.droppedLoop)
  if (result.replacedProvenance > 0) part.observer.provenanceReplaced(origin, topic, result.replacedProvenance)
  return result
}

/** The origin told our relay of it, and the relay's batches tell us. Throws PARTITION_GAP where the policy is to halt. */
function reportGap({ spec, observer }: RunPartition, { from, to }: OriginRange): void {
  const { origin, topic, partition, onGap } = spec
  const message = `${origin} no longer had records between offsets ${from} and ${to - 1} when our relay fetched them`
  observer.event({ name: 'gap', origin, topic, partition, message, from, to })
  if (onGap === 'halt')
    throw new GatewayError('PARTITION_GAP', 'partition', `${topic}-${partition} from ${origin}: ${message}`)
}

/** A doubt, which a takeover answers; but for what we may not do, which no takeover changes. */
export function doubtOf(failure: KafkaFailure, spec: PartitionSpec): RunEnd {
  if (failure.kind !== 'denied') return { kind: 'doubt', cause: failure }
  const message = `${spec.topic}-${spec.partition} from ${spec.origin}: ${neededFor(failure, spec)} is not allowed: ${failure.message}`
  const hint = 'add the ACL (docs/permissions.md); it is tried again every minute'
  return { kind: 'halt', error: new GatewayError('ACL_MISSING', 'partition', message, { cause: failure, hint }) }
}

/** Operation and resource, as ACLs call them. */
function neededFor({ code }: KafkaFailure, { topic, origin }: PartitionSpec): string {
  switch (code) {
    case 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED':
      return `Write and Describe on the transactional.id of ${topic} from ${origin}`
    case 'TOPIC_AUTHORIZATION_FAILED':
      return `Read, Write or Describe on topic ${topic}`
    case 'CLUSTER_AUTHORIZATION_FAILED':
      return 'IdempotentWrite on the cluster'
    default:
      return `what ${code} names`
  }
}

/** What a failed append means for the run. */
export function endOf(failure: unknown, spec: PartitionSpec): RunEnd {
  if (failure instanceof GatewayError) return { kind: 'halt', error: failure }
  if (!(failure instanceof KafkaFailure)) throw failure
  if (failure.kind !== 'fatal') return doubtOf(failure, spec)
  const alarm = failure.code === 'BASE_OFFSET_ALARM'
  return {
    kind: 'halt',
    error: new GatewayError(
      alarm ? 'TARGET_ALARM' : 'RECORD_REFUSED',
      'partition',
      `${spec.topic}-${spec.partition}: ${failure.message}`,
      { cause: failure },
    ),
  }
}
