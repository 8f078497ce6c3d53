import { KafkaFailure } from '../kafka/failure.ts'
import type { Appended, PartitionAppender, TopicPartition } from '../kafka/types.ts'
import { buildBatch } from '../record/build-batch.ts'
import type { TransformedBatch } from '../record/transform.ts'
import { awaitMarker, endTransaction } from './fence.ts'
import type { Cut } from './inbox.ts'
import {
  APPENDS_IN_FLIGHT,
  DELIVERY_TIMEOUT_MS,
  OLD_DATA_HYSTERESIS_MS,
  TRANSACTION_MAX_BYTES,
  TRANSACTION_MAX_MS,
} from './limits.ts'
import type { Checkpoint, ProgressRecord } from './ports.ts'
import { endOf, FIRST_RATIO, type RunEnd, type RunPartition, splice, type Taken, wireTarget } from './run.ts'
import { afterWrite, type Standing } from './standing.ts'

/** What one transaction has appended so far. */
export interface Written {
  readonly batch: TransformedBatch
  readonly cut: Cut
  readonly appended: Appended
}

/** The checkpoint that a transaction's progress record is: what it covers once committed. */
export type ProgressAfter = (written: readonly Written[], from: number) => Checkpoint

/** Where the partition stands once these count. */
export function standingAfter(standing: Standing, written: readonly Written[]): Standing {
  let after = standing
  for (const { batch, cut, appended } of written)
    after = afterWrite(after, batch, cut.leaderEpoch, appended.baseOffset, appended.leaderEpoch)
  return after
}

/** What of the data partition a transaction covers: origin offsets from `from`, target offsets first to last. */
export function extentOf(written: readonly Written[], from: number): NonNullable<Checkpoint['transaction']> {
  const first = written[0]
  const last = written.at(-1)
  return {
    from,
    firstTargetOffset: first?.appended.baseOffset ?? -1,
    lastTargetOffset: last ? last.appended.baseOffset + last.batch.recordCount - 1 : -1,
  }
}

/**
 * Transaction mode (exactly-once.md 2.2): old data and compacted topics. `taken.fenced.identity` is the *second* epoch
 * after the fence, which carries no ABORT of ours (F14). Any trouble is a doubt.
 */
export async function runTransactions(
  part: RunPartition,
  taken: Taken,
  clusterHash: Buffer,
  progressAfter: ProgressAfter,
): Promise<RunEnd> {
  const run = new TransactionRun(part, taken, clusterHash, progressAfter)
  try {
    return await run.toEnd()
  } catch (failure) {
    return endOf(failure, part.spec)
  } finally {
    run.close()
  }
}

class TransactionRun {
  readonly #part: RunPartition
  readonly #taken: Taken
  readonly #clusterHash: Buffer
  readonly #progressAfter: ProgressAfter
  readonly #reserve: Reservation
  readonly #data: PartitionAppender
  #progress: PartitionAppender | undefined
  #ratio = FIRST_RATIO
  #lastNeededMs: number

  constructor(part: RunPartition, taken: Taken, clusterHash: Buffer, progressAfter: ProgressAfter) {
    this.#part = part
    this.#taken = taken
    this.#clusterHash = clusterHash
    this.#progressAfter = progressAfter
    this.#reserve = new Reservation(part)
    this.#lastNeededMs = part.clock.monotonicMs()
    this.#data = this.#open(part.spec, taken.fenced.targetTopicId, taken.fenced.markerOffset)
  }

  async toEnd(): Promise<RunEnd> {
    const part = this.#part
    for (;;) {
      const asked = part.endAsked()
      if (asked) return asked
      await part.upkeep(this.#taken)
      const quietMs = part.clock.monotonicMs() - this.#lastNeededMs
      if (!part.spec.compacted && quietMs >= OLD_DATA_HYSTERESIS_MS)
        return { kind: 'mode', mode: 'plain', why: `no old data for ${Math.round(quietMs / 1000)} s` }
      if (!(await this.#next())) await part.wait()
    }
  }

  /** The next transaction, if there is something to write and room for it on this node. */
  async #next(): Promise<boolean> {
    if (!this.#reserve.take()) return false
    try {
      const first = this.#cut()
      if (!first) return false
      if (first.batches.length === 0) this.#part.finished(first)
      else await this.#transaction(first)
      return true
    } finally {
      this.#reserve.giveBack()
    }
  }

  close(): void {
    this.#data.close()
    this.#progress?.close()
  }

  #cut(): Cut | undefined {
    if (this.#part.otherModeNeeded('plain')) this.#lastNeededMs = this.#part.clock.monotonicMs()
    return this.#part.cut(wireTarget(this.#part.limits, this.#ratio), 'transaction')
  }

  /** Data and the progress record that covers it, in one transaction; it counts when both markers can be read. */
  async #transaction(first: Cut): Promise<void> {
    const part = this.#part
    const { transactionalId: id, identity } = this.#taken.fenced
    const from = part.standing.written
    const { origin, topic, partition } = part.spec
    const progressAt = part.checkpoints.progressPartition(origin, topic, partition)
    await part.target.addPartitionsToTxn(id, identity, [part.spec, progressAt])
    const { written, cuts } = await this.#appendAll(first, from)
    const last = written.at(-1)
    if (!last) {
      // All records were dropped as loops. ✱ Never an ABORT in the running epoch: a copy of it could close a later transaction (F14).
      await endTransaction(part.target, id, identity, true)
      for (const cut of cuts) part.finished(cut)
      return
    }
    const progress = part.checkpoints.progressRecord(this.#progressAfter(written, from))
    const progressOffset = await this.#appendProgress(progress)
    await endTransaction(part.target, id, identity, true)
    const [committedAt] = await Promise.all([
      this.#committed(part.spec, last.appended.baseOffset + last.batch.recordCount),
      this.#committed(progress.partition, progressOffset + 1),
    ])
    for (const one of written) part.wrote(one.batch, one.cut, one.appended)
    part.committedAt(committedAt)
    for (const cut of cuts) part.finished(cut)
  }

  async #appendAll(first: Cut, from: number): Promise<{ written: Written[]; cuts: Cut[] }> {
    const part = this.#part
    const startedMs = part.clock.monotonicMs()
    const written: Written[] = []
    const cuts: Cut[] = []
    let next = from
    let bytes = 0
    let gap = part.standing.gap
    for (let cut: Cut | undefined = first; cut; cut = this.#cut()) {
      cuts.push(cut)
      const result = splice(part, this.#taken, cut, next, gap, this.#clusterHash)
      await this.#appendCut(result.batches, cut, written)
      if (result.batches.length > 0) {
        bytes += result.batches.reduce((sum, batch) => sum + batch.ready.sizeBytes, 0)
        next = cut.next
        gap = false
      }
      if (bytes >= TRANSACTION_MAX_BYTES || part.clock.monotonicMs() - startedMs >= TRANSACTION_MAX_MS) break
      // Without room for more this transaction commits what it has: waiting for room here could wait for itself.
      if (!this.#reserve.take()) break
    }
    return { written, cuts }
  }

  /** At most APPENDS_IN_FLIGHT at once. Throws the first failure after all answers are in: those behind it are its consequence (F16). */
  async #appendCut(batches: readonly TransformedBatch[], cut: Cut, written: Written[]): Promise<void> {
    for (let at = 0; at < batches.length; at += APPENDS_IN_FLIGHT) {
      const some = batches.slice(at, at + APPENDS_IN_FLIGHT)
      const answers = await Promise.allSettled(some.map(batch => this.#data.append(batch.ready)))
      for (const [i, answer] of answers.entries()) {
        if (answer.status === 'fulfilled') written.push({ batch: some[i]!, cut, appended: answer.value })
        else throw this.#refused(answer.reason, some[i]!)
      }
    }
  }

  #refused(failure: unknown, batch: TransformedBatch): unknown {
    const part = this.#part
    if (!(failure instanceof KafkaFailure)) return failure
    part.observer.appendFailed(part.spec.origin, part.spec.topic, failure.kind, failure.code)
    return failure.kind === 'too-large' ? (part.refusedAsTooLarge(batch) ?? failure) : failure
  }

  async #appendProgress(record: ProgressRecord): Promise<number> {
    this.#progress ??= this.#open(record.partition, record.topicId, -1)
    const batch = buildBatch([
      { timestampMs: this.#part.clock.nowMs(), key: record.key, value: record.value, headers: [] },
    ])
    return (await this.#progress.append(batch)).baseOffset
  }

  /** ✱ A commit counts only when its marker is readable (F4): an answer to EndTxn is not enough. Resolves with its offset. */
  async #committed(partition: TopicPartition, fromOffset: number): Promise<number> {
    const { target, clock } = this.#part
    const marker = await awaitMarker(target, clock, partition, fromOffset, this.#taken.fenced.identity)
    if (marker.committed) return marker.offset
    throw new KafkaFailure(
      'fenced',
      'TRANSACTION_ABORTED',
      `${partition.topic}-${partition.partition}: aborted by another owner`,
    )
  }

  #open(partition: TopicPartition, topicId: string, lastKnownOffset: number): PartitionAppender {
    return this.#part.target.openAppender({
      topic: partition.topic,
      partition: partition.partition,
      topicId,
      identity: this.#taken.fenced.identity,
      firstSequence: 0,
      transactionalId: this.#taken.fenced.transactionalId,
      lastKnownOffset,
      deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
    })
  }
}

/** What a transaction holds of the node's budget for produce-ready bytes: one target batch at a time, all given back at its end. */
class Reservation {
  readonly #part: RunPartition
  #bytes = 0

  constructor(part: RunPartition) {
    this.#part = part
  }

  take(): boolean {
    const bytes = this.#part.limits.targetBatchBytes
    if (!this.#part.reserve(bytes)) return false
    this.#bytes += bytes
    return true
  }

  giveBack(): void {
    this.#part.unreserve(this.#bytes)
    this.#bytes = 0
  }
}
