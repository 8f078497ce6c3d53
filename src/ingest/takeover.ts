import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import { type Fenced, fence, retireForgotten } from './fence.ts'
import { type IngestLimits, TRANSACTION_TIMEOUT_MS } from './limits.ts'
import type { TakeoverGate } from './node-budget.ts'
import type { Checkpoint, Checkpoints, IngestObserver, TargetLog, WriterRegistry } from './ports.ts'
import type { PartitionSpec, RunEnd, Taken, WriteMode } from './run.ts'
import type { PartitionPolicy, SourceFeed } from './source-feed.ts'
import { type Standing, standingAt } from './standing.ts'
import { findTail, type Tail } from './tail.ts'

export interface TakeoverPorts {
  readonly target: TargetLog
  readonly registry: WriterRegistry
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly limits: IngestLimits
  readonly observer: IngestObserver
  isOwner(lane: number): boolean
  readonly takeoverGate: TakeoverGate
}

/** What may end a takeover before it is complete. */
export interface TakeoverTurn extends TakeoverPorts {
  asked(): RunEnd | undefined
  wait(): Promise<void>
}

export interface TookOver {
  readonly taken: Taken
  readonly standing: Standing
  readonly superseded: readonly Checkpoint[]
}

/**
 * T1 to T5 of exactly-once.md 2, and the resolved start of a first start; T6 (the checkpoint) is the caller's next step.
 * Rejects with KafkaFailure (try again, paced) or GatewayError (halt).
 */
export async function takeOver(
  spec: PartitionSpec,
  policy: PartitionPolicy,
  mode: WriteMode,
  feed: SourceFeed,
  turn: TakeoverTurn,
): Promise<TookOver | RunEnd> {
  const isOwner = () => turn.isOwner(spec.lane) && turn.asked() === undefined
  assertOwner(isOwner())
  const { target, registry, checkpoints, clock, limits } = turn
  const fencing = { target, registry, clock, isOwner, sessionTimeoutMs: limits.sessionTimeoutMs }
  await retireForgotten(spec, fencing)
  const also = mode === 'transaction' ? [checkpoints.progressPartition(spec.origin, spec.topic, spec.partition)] : []
  const fenced = await turn.takeoverGate.fence(async () => {
    // The wait for a slot may have outlasted it.
    assertOwner(isOwner())
    return await fence(spec, also, fencing)
  })
  const tail = await turn.takeoverGate.read(async () => {
    const writers = registry.writersOf(spec.origin, spec.topic, spec.partition)
    const ownProducerIds = new Set(writers.map(writer => writer.producerId))
    return await findTail(spec, fenced, { target, checkpoints, ownProducerIds, compacted: spec.compacted })
  })
  const standing = await settle(spec, policy, tail, fenced, feed, turn)
  if ('kind' in standing) return standing
  const superseded = tail.kind === 'first-start' ? [] : tail.superseded
  if (mode === 'plain') return { taken: { fenced, mode }, standing, superseded }
  return { taken: { fenced: await secondEpoch(fenced, target), mode }, standing, superseded }
}

function assertOwner(ours: boolean): void {
  if (!ours) throw new KafkaFailure('retriable', 'LANE_LOST', 'the lane is not ours for certain now')
}

/**
 * ✱ Transactions run in an epoch that carries no ABORT of ours: a stray copy of the fence cannot close them (F14).
 * ✱ It must directly follow the fence's: after any other, a rival may have written behind what was read.
 */
async function secondEpoch(fenced: Fenced, target: TargetLog): Promise<Fenced> {
  const identity = await target.initProducerId(fenced.transactionalId, TRANSACTION_TIMEOUT_MS)
  const { producerId, producerEpoch } = fenced.identity
  if (identity.producerId === producerId && identity.producerEpoch === producerEpoch + 1) return { ...fenced, identity }
  throw new KafkaFailure(
    'fenced',
    'OTHER_WRITER',
    `${fenced.transactionalId}: somebody else claimed it within a takeover`,
  )
}

async function settle(
  spec: PartitionSpec,
  policy: PartitionPolicy,
  tail: Tail,
  fenced: Fenced,
  feed: SourceFeed,
  turn: TakeoverTurn,
): Promise<Standing | RunEnd> {
  const report = (name: 'target-truncated' | 'target-recreated', message: string) =>
    turn.observer.event({ name, origin: spec.origin, topic: spec.topic, partition: spec.partition, message })
  switch (tail.kind) {
    case 'stands':
      return tail.standing
    case 'first-start':
      return await firstStart(fenced, feed, turn)
    case 'target-emptied':
      report(
        'target-truncated',
        `the target log lost all that was written for ${spec.origin}; it is fetched again from ${tail.last.start}`,
      )
      return standingAt(tail.last.start, tail.last.originTopicId, fenced.markerOffset)
    case 'target-recreated':
      report(
        'target-recreated',
        `${spec.topic} is topic id ${fenced.targetTopicId} here, was ${tail.last.targetTopicId}`,
      )
      if (policy.targetRecreated === 'refill')
        return standingAt(tail.last.start, tail.last.originTopicId, fenced.markerOffset)
      throw new GatewayError(
        'TOPIC_RECREATED',
        'partition',
        `${spec.topic}-${spec.partition}: the topic was deleted and created again in this data center`,
        { hint: 'set topics.onTargetRecreated to refill to fill it again from the origin, then resume the link' },
      )
  }
}

/** ✱ 2.4: the source resolves the start policy; `start` is durable (T6) before any data is written. */
async function firstStart(fenced: Fenced, feed: SourceFeed, turn: TakeoverTurn): Promise<Standing | RunEnd> {
  feed.wantStart()
  for (;;) {
    const asked = turn.asked()
    if (asked) return asked
    const opened = feed.opened
    if (opened) return standingAt(opened.position, opened.topicId, fenced.markerOffset)
    feed.reopenWhenDue()
    await turn.wait()
  }
}
