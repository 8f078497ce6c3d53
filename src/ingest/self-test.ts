import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { PartitionAppender, ProducerIdentity, TopicPartition } from '../kafka/types.ts'
import { buildBatch } from '../record/build-batch.ts'
import { awaitMarker, endTransaction } from './fence.ts'
import { DELIVERY_TIMEOUT_MS, TRANSACTION_TIMEOUT_MS } from './limits.ts'
import { scanOwn } from './own-batches.ts'
import type { TargetLog } from './ports.ts'

const REFUSED_BY_BROKER: ReadonlySet<string> = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])

/**
 * Shows on a scratch topic that the fence holds on this cluster (exactly-once.md 5): a batch of an older epoch that
 * comes after the marker must be refused. Rejects with GatewayError SELF_TEST_FAILED or ACL_MISSING; nothing runs on hope.
 */
export async function selfTest(
  target: TargetLog,
  clock: Clock,
  scratch: TopicPartition,
  transactionalId: string,
): Promise<void> {
  try {
    const topicId = await target.topicId(scratch.topic)
    if (!topicId) throw failed(`the scratch topic ${scratch.topic} is not there`)
    const old = await fenceScratch(target, clock, scratch, transactionalId)
    const appender = openScratch(target, scratch, topicId, old)
    await appender.append(note(clock))
    const current = await fenceScratch(target, clock, scratch, transactionalId)
    await expectRefused(appender, clock)
    const { endOffset } = await target.offsets(scratch)
    const log = await scanOwn(target, scratch, current.marker, endOffset, new Set([old.identity.producerId]))
    if (log.committed.length > 0) throw failed('an older epoch wrote behind the fence')
  } catch (error) {
    throw translated(error)
  }
}

interface FencedScratch {
  readonly identity: ProducerIdentity
  readonly marker: number
}

async function fenceScratch(
  target: TargetLog,
  clock: Clock,
  scratch: TopicPartition,
  id: string,
): Promise<FencedScratch> {
  const identity = await target.initProducerId(id, TRANSACTION_TIMEOUT_MS)
  const { endOffset } = await target.offsets(scratch)
  await target.addPartitionsToTxn(id, identity, [scratch])
  await endTransaction(target, id, identity, false)
  const marker = await awaitMarker(target, clock, scratch, endOffset, identity)
  return { identity, marker: marker.offset }
}

function openScratch(
  target: TargetLog,
  scratch: TopicPartition,
  topicId: string,
  fenced: FencedScratch,
): PartitionAppender {
  return target.openAppender({
    ...scratch,
    topicId,
    identity: fenced.identity,
    firstSequence: 0,
    lastKnownOffset: fenced.marker,
    deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
  })
}

async function expectRefused(appender: PartitionAppender, clock: Clock): Promise<void> {
  try {
    await appender.append(note(clock))
  } catch (failure) {
    // Anything else, also our own look at the producer state, would not show that the broker refuses.
    if (failure instanceof KafkaFailure && REFUSED_BY_BROKER.has(failure.code)) return
    throw failure
  } finally {
    appender.close()
  }
  throw failed('a batch of an older epoch was accepted after the fence')
}

function note(clock: Clock) {
  return buildBatch([{ key: null, value: Buffer.from('isthmus self-test'), timestampMs: clock.nowMs() }])
}

function failed(what: string): GatewayError {
  return new GatewayError('SELF_TEST_FAILED', 'process', `self-test of the fence: ${what}`, {
    hint: 'exactly-once cannot be promised on this cluster; check the brokers’ versions (3.6 or later) and their logs',
  })
}

function translated(error: unknown): unknown {
  if (!(error instanceof KafkaFailure)) return error
  if (error.kind !== 'denied') return failed(error.message)
  return new GatewayError('ACL_MISSING', 'process', `self-test of the fence: ${error.message}`, {
    cause: error,
    hint: 'docs/permissions.md lists what the gateway needs; `isthmus check` shows what is missing',
  })
}
