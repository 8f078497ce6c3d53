import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { Appended, PartitionAppender } from '../kafka/types.ts'
import { sequenceAfter } from '../record/batch.ts'
import type { TransformedBatch } from '../record/transform.ts'
import type { Cut } from './inbox.ts'
import { APPENDS_IN_FLIGHT, DELIVERY_TIMEOUT_MS } from './limits.ts'
import { endOf, FIRST_RATIO, type RunEnd, type RunPartition, splice, type Taken, wireTarget } from './run.ts'

/**
 * Plain mode (exactly-once.md 2.1): idempotent batches behind our own fence marker, no transactions. Ends with a doubt,
 * a change of mode, a halt or a stop; never with an append of unknown fate forgotten.
 */
export async function runPlain(part: RunPartition, taken: Taken, clusterHash: Buffer): Promise<RunEnd> {
  const run = new PlainRun(part, taken, clusterHash)
  try {
    return await run.toEnd()
  } finally {
    run.close()
  }
}

class PlainRun {
  readonly #part: RunPartition
  readonly #taken: Taken
  readonly #clusterHash: Buffer
  #appender: PartitionAppender
  readonly #empty: Cut[] = []
  #failure: unknown
  #refused: TransformedBatch | undefined
  #inFlight = 0
  /** `next` of the last batch handed to the appender: the next one's `from`. */
  #sentNext: number
  #gapPending: boolean
  #nextSequence = 0
  #lastKnownOffset: number
  #ratio = FIRST_RATIO

  constructor(part: RunPartition, taken: Taken, clusterHash: Buffer) {
    this.#part = part
    this.#taken = taken
    this.#clusterHash = clusterHash
    this.#sentNext = part.standing.written
    this.#gapPending = part.standing.gap
    this.#lastKnownOffset = taken.fenced.markerOffset
    this.#appender = this.#open()
  }

  async toEnd(): Promise<RunEnd> {
    const part = this.#part
    for (;;) {
      if (this.#failure !== undefined) {
        const end = await this.#afterFailure()
        if (end) return end
        continue
      }
      const asked = part.endAsked()
      if (asked) return await this.#drained(asked)
      void part.upkeep(this.#taken)
      if (this.#maySend() && this.#sendNext()) continue
      const other = this.#inFlight === 0 ? part.otherModeNeeded('plain') : undefined
      if (other) return { kind: 'mode', mode: 'transaction', why: other }
      await part.wait()
    }
  }

  close(): void {
    this.#appender.close()
  }

  /** At once when nothing is in flight, else only full target batches: latency when idle, size under load. */
  #maySend(): boolean {
    if (this.#inFlight >= APPENDS_IN_FLIGHT) return false
    return this.#inFlight === 0 || this.#part.bufferedBytes() >= wireTarget(this.#part.limits, this.#ratio)
  }

  /** False: nothing could be sent now. */
  #sendNext(): boolean {
    const part = this.#part
    const target = wireTarget(part.limits, this.#ratio)
    if (!part.reserve(target)) return false
    const cut = part.cut(target, 'plain')
    if (!cut) {
      part.unreserve(target)
      return false
    }
    const result = splice(part, this.#taken, cut, this.#sentNext, this.#gapPending, this.#clusterHash)
    if (result.batches.length === 0) {
      part.unreserve(target)
      this.#empty.push(cut)
      this.#finishEmpty()
      return true
    }
    const uncompressed = result.batches.reduce((sum, batch) => sum + batch.uncompressedBytes, 0)
    this.#ratio = Math.max(1, uncompressed / Math.max(1, cut.wireBytes))
    this.#gapPending = false
    this.#sentNext = cut.next
    this.#append(result.batches, cut, target)
    return true
  }

  #append(batches: readonly TransformedBatch[], cut: Cut, reserved: number): void {
    let left = batches.length
    for (const batch of batches) {
      const sequence = this.#appender.nextSequence
      this.#inFlight++
      this.#appender.append(batch.ready).then(
        appended => {
          this.#acked(batch, cut, appended, sequence)
          if (--left === 0) {
            this.#part.unreserve(reserved)
            this.#part.finished(cut)
            this.#finishEmpty()
          }
          this.#part.wake()
        },
        failure => {
          this.#inFlight--
          if (--left === 0) this.#part.unreserve(reserved)
          this.#failed(failure, batch)
          this.#part.wake()
        },
      )
    }
  }

  /** Coverage without data: done when all before it is, and carried by the next batch's `from`. */
  #finishEmpty(): void {
    if (this.#inFlight > 0) return
    for (const cut of this.#empty.splice(0)) this.#part.finished(cut)
  }

  #acked(batch: TransformedBatch, cut: Cut, appended: Appended, sequence: number): void {
    this.#inFlight--
    this.#nextSequence = sequenceAfter(sequence, batch.recordCount)
    this.#lastKnownOffset = appended.baseOffset + batch.recordCount - 1
    this.#part.wrote(batch, cut, appended)
  }

  /** The first failure is the cause, those behind it are its consequence (F16). */
  #failed(failure: unknown, batch: TransformedBatch): void {
    if (this.#failure !== undefined) return
    this.#failure = failure ?? new GatewayError('INTERNAL', 'partition', 'an append failed without a reason')
    if (failure instanceof KafkaFailure) {
      const { origin, topic } = this.#part.spec
      this.#part.observer.appendFailed(origin, topic, failure.kind, failure.code)
      if (failure.kind === 'too-large') this.#refused = batch
    }
  }

  /** ✱ Only after all answers of the partition are in. Undefined: go on in this epoch with smaller batches. */
  async #afterFailure(): Promise<RunEnd | undefined> {
    await this.#appender.settled()
    while (this.#inFlight > 0) await this.#part.woken()
    const refused = this.#refused
    if (!refused) return endOf(this.#failure, this.#part.spec)
    const hopeless = this.#part.refusedAsTooLarge(refused)
    if (hopeless) return { kind: 'halt', error: hopeless }
    this.#failure = undefined
    this.#refused = undefined
    this.#appender.close()
    this.#empty.length = 0
    this.#part.rewind()
    this.#sentNext = this.#part.standing.written
    this.#gapPending = this.#part.standing.gap
    this.#appender = this.#open()
    return undefined
  }

  async #drained(end: RunEnd): Promise<RunEnd> {
    while (this.#inFlight > 0) await this.#part.woken()
    return end
  }

  #open(): PartitionAppender {
    const { spec, target } = this.#part
    return target.openAppender({
      topic: spec.topic,
      partition: spec.partition,
      topicId: this.#taken.fenced.targetTopicId,
      identity: this.#taken.fenced.identity,
      firstSequence: this.#nextSequence,
      lastKnownOffset: this.#lastKnownOffset,
      deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
    })
  }
}
