import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { FetchedBatches, ProducerIdentity, TopicPartition } from '../kafka/types.ts'
import { isControl, producerEpochOf, producerIdOf } from '../record/batch.ts'
import { transactionalId } from '../route/transactional-id.ts'
import {
  END_TXN_RESENDS,
  EPOCH_RETIRE,
  MARKER_POLL_MS,
  MARKER_WAIT_MS,
  SCAN_READ_BYTES,
  TRANSACTION_TIMEOUT_MS,
} from './limits.ts'
import { isCommitMarker, walk } from './own-batches.ts'
import type { TargetLog, WriterRegistry } from './ports.ts'

/** Which partition of which link, in the target cluster's names. */
export interface LinkPartition extends TopicPartition {
  readonly origin: string
}

export interface Fenced {
  readonly transactionalId: string
  readonly identity: ProducerIdentity
  readonly generation: number
  /** Offset of our own marker: no earlier run can write behind it. */
  readonly markerOffset: number
  readonly targetTopicId: string
}

export interface FencePorts {
  readonly target: TargetLog
  readonly registry: WriterRegistry
  readonly clock: Clock
  readonly sessionTimeoutMs: number
  /** Still the lane's owner? Asked after every wait that could outlast an ownership. */
  isOwner(): boolean
}

/**
 * T1 to T4 of exactly-once.md 2: after it resolves no earlier writer run of this partition can append any more, neither
 * here nor in `also`, the other partitions that this run will write to.
 * Rejects with KafkaFailure (try again, paced) or GatewayError (halt).
 */
export async function fence(
  partition: LinkPartition,
  also: readonly TopicPartition[],
  ports: FencePorts,
): Promise<Fenced> {
  const { target, registry } = ports
  for (;;) {
    await registry.catchUp()
    if (!ports.isOwner())
      throw new KafkaFailure('fenced', 'LANE_LOST', `${partition.topic}: the lane is not ours any more`)
    const generation = registry.generationOf(partition.origin, partition.topic, partition.partition)
    const id = transactionalId({ ...partition, generation })
    const identity = await claimIdentity(partition, id, generation, ports)
    const targetTopicId = await target.topicId(partition.topic)
    if (!targetTopicId) throw new KafkaFailure('retriable', 'UNKNOWN_TOPIC_OR_PARTITION', `${partition.topic} is gone`)
    const fenced = [partition, ...also]
    const ends = await Promise.all(fenced.map(one => target.offsets(one)))
    await target.addPartitionsToTxn(id, identity, fenced)
    await endTransaction(target, id, identity, false)
    const [marker] = await Promise.all(
      fenced.map((one, i) => awaitMarker(target, ports.clock, one, ends[i]!.endOffset, identity)),
    )
    if (identity.producerEpoch < EPOCH_RETIRE)
      return { transactionalId: id, identity, generation, markerOffset: marker!.offset, targetTopicId }
    // F12: a wrapped epoch would bring a new producerId that does not fence this one.
    await registry.setGeneration(partition.origin, partition.topic, partition.partition, generation + 1)
  }
}

/** T1: the next epoch of our producerId, registered before anything is written under it. */
async function claimIdentity(
  partition: LinkPartition,
  id: string,
  generation: number,
  ports: FencePorts,
): Promise<ProducerIdentity> {
  const { target, registry } = ports
  const known = writersOf(registry, partition, generation)
  if (known.length > 0 && (await target.describeTransaction(id)) === undefined)
    throw new KafkaFailure('retriable', 'TRANSACTIONAL_ID_FORGOTTEN', `the coordinator has forgotten ${id}`)
  const identity = await target.initProducerId(id, TRANSACTION_TIMEOUT_MS)
  if (known.some(writer => writer.producerId === identity.producerId)) return identity
  if (known.length > 0) throw unexpectedProducerId(partition, id)
  await registry.register({ ...partition, producerId: identity.producerId, generation })
  return identity
}

function writersOf(registry: WriterRegistry, { origin, topic, partition }: LinkPartition, generation: number) {
  return registry.writersOf(origin, topic, partition).filter(writer => writer.generation === generation)
}

/**
 * A transactional.id that the coordinator has forgotten (F10) is never used again: under it comes a producerId that does
 * not fence the old one, and whose epochs start again below those of older checkpoints. Nothing fences the old writer
 * either, so whoever else may own the lane must be gone: a whole session time-out passes first. Nothing to do is the rule.
 */
export async function retireForgotten(partition: LinkPartition, ports: FencePorts): Promise<void> {
  const { target, registry, clock } = ports
  const { origin, topic, partition: number } = partition
  await registry.catchUp()
  const generation = registry.generationOf(origin, topic, number)
  const id = transactionalId({ ...partition, generation })
  if (writersOf(registry, partition, generation).length === 0) return
  if ((await target.describeTransaction(id)) !== undefined) return
  const endMs = clock.monotonicMs() + ports.sessionTimeoutMs
  while (clock.monotonicMs() < endMs) {
    if (!ports.isOwner()) throw new KafkaFailure('fenced', 'LANE_LOST', `${id}: the lane is not ours any more`)
    await clock.sleep(OWNER_LOOK_MS)
  }
  await registry.setGeneration(origin, topic, number, generation + 1)
}

const OWNER_LOOK_MS = 250

function unexpectedProducerId(partition: LinkPartition, id: string): GatewayError {
  return new GatewayError(
    'REGISTRY_BROKEN',
    'partition',
    `${partition.topic}-${partition.partition}: ${id} has a producerId that the registry does not know`,
    {
      hint: 'the registry or __transaction_state of this cluster was lost or restored; see docs/runbooks/registry-lost.md',
    },
  )
}

/** EndTxn until its outcome is known; a lost answer is asked for again (T3). Rejects fenced with KafkaFailure. */
export async function endTransaction(
  target: TargetLog,
  id: string,
  identity: ProducerIdentity,
  commit: boolean,
): Promise<void> {
  for (let resends = 0; ; resends++) {
    try {
      return await target.endTxn(id, identity, commit)
    } catch (failure) {
      const again = failure instanceof KafkaFailure && (failure.kind === 'ambiguous' || failure.kind === 'retriable')
      if (!again || resends >= END_TXN_RESENDS) throw failure
    }
  }
}

export interface Marker {
  readonly offset: number
  readonly committed: boolean
}

/** T4: EndTxn answers before its marker is in the log (F4), so wait until it can be read there. */
export async function awaitMarker(
  target: TargetLog,
  clock: Clock,
  partition: TopicPartition,
  fromOffset: number,
  identity: ProducerIdentity,
): Promise<Marker> {
  const deadline = clock.monotonicMs() + MARKER_WAIT_MS
  let offset = fromOffset
  while (clock.monotonicMs() < deadline) {
    const fetched = await readOrDoubt(target, partition, offset)
    try {
      for (const { batch, baseOffset, nextOffset } of walk(fetched.records)) {
        if (nextOffset <= offset) continue
        offset = nextOffset
        if (!isControl(batch)) continue
        if (producerIdOf(batch) !== identity.producerId || producerEpochOf(batch) !== identity.producerEpoch) continue
        return { offset: baseOffset, committed: isCommitMarker(batch) }
      }
    } finally {
      fetched.release()
    }
  }
  throw new KafkaFailure('ambiguous', 'MARKER_NOT_SEEN', `${partition.topic}-${partition.partition}: no marker in time`)
}

/** A log that ends before what was appended to it lost its end: a doubt, for T1 to answer. */
async function readOrDoubt(target: TargetLog, partition: TopicPartition, offset: number): Promise<FetchedBatches> {
  try {
    return await target.read(partition, offset, SCAN_READ_BYTES, MARKER_POLL_MS)
  } catch (failure) {
    if (!(failure instanceof KafkaFailure) || failure.code !== 'OFFSET_OUT_OF_RANGE') throw failure
    throw new KafkaFailure('ambiguous', 'LOG_TRUNCATED', failure.message, { cause: failure })
  }
}
