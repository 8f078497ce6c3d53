import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { Appended, PartitionAppender } from '../kafka/types.ts'
import { sequenceAfter } from '../record/batch.ts'
import type { TransformedBatch, TransformResult } from '../record/transform.ts'
import type { Cut } from './inbox.ts'
import { APPENDS_IN_FLIGHT, DELIVERY_TIMEOUT_MS } from './limits.ts'
import { endOf, FIRST_RATIO, type RunEnd, type RunPartition, splice, type Taken, wireTarget } from './run.ts'

const OLD_INSIDE = 'data older than the target keeps producer state for, inside newer batches'

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

/** A cut on its way: finished in order, when all its batches are safe. */
interface Underway {
  readonly cut: Cut
  /** Produce-ready bytes reserved of the node's budget. */
  readonly reservedBytes: number
  /** Batches neither answered nor failed. */
  left: number
}

interface Ready {
  readonly batch: TransformedBatch
  readonly of: Underway
}

class PlainRun {
  readonly #part: RunPartition
  readonly #taken: Taken
  readonly #clusterHash: Buffer
  #appender: PartitionAppender
  /** Cuts in order, those without a batch of their own among them: nothing is finished before what precedes it. */
  #underway: Underway[] = []
  /** Transformed and not yet handed to the appender: a cut may give more batches than may be in flight. */
  #ready: Ready[] = []
  #failure: unknown
  #refused: TransformedBatch | undefined
  /** Old data came to light only after the transform. */
  #tooOld = false
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
      const other = this.#tooOld ? OLD_INSIDE : part.otherModeNeeded('plain')
      if (other && this.#inFlight === 0) return { kind: 'mode', mode: 'transaction', why: other }
      await part.wait()
    }
  }

  /** Gives back what this run holds of the node; safe after any end. */
  close(): void {
    this.#appender.close()
    this.#forget()
  }

  #forget(): void {
    for (const { reservedBytes } of this.#underway) this.#part.unreserve(reservedBytes)
    this.#underway = []
    this.#ready = []
  }

  /** At once when nothing is in flight, else only full target batches: latency when idle, size under load. */
  #maySend(): boolean {
    if (this.#inFlight >= APPENDS_IN_FLIGHT || this.#tooOld) return false
    if (this.#ready.length > 0 || this.#inFlight === 0) return true
    return this.#part.bufferedBytes() >= wireTarget(this.#part.limits, this.#ratio)
  }

  /** False: nothing could be sent now. */
  #sendNext(): boolean {
    const ready = this.#ready.shift()
    if (ready) {
      this.#append(ready)
      return true
    }
    const part = this.#part
    const target = wireTarget(part.limits, this.#ratio)
    if (!part.reserve(target)) return false
    const underway = this.#transformNext(target)
    return underway !== undefined
  }

  /** Turns the front of the inbox into ready batches; `reserved` bytes of the node's budget are taken for it. */
  #transformNext(reserved: number): Underway | undefined {
    const part = this.#part
    let keep = 0
    try {
      const cut = part.cut(reserved, 'plain')
      if (!cut) return undefined
      const result = splice(part, this.#taken, cut, this.#sentNext, this.#gapPending, this.#clusterHash)
      if (result.batches.some(batch => part.isOld(batch))) {
        // A split can leave a batch whose own newest record is old although its source batch's was not (F9).
        this.#tooOld = true
        return undefined
      }
      keep = result.batches.reduce((sum, batch) => sum + batch.ready.sizeBytes, 0)
      const underway: Underway = { cut, reservedBytes: keep, left: result.batches.length }
      this.#underway.push(underway)
      if (keep === 0) this.#finishDone()
      else this.#took(result, cut)
      for (const batch of result.batches) this.#ready.push({ batch, of: underway })
      return underway
    } finally {
      part.unreserve(reserved - keep)
    }
  }

  #took(result: TransformResult, cut: Cut): void {
    const uncompressed = result.batches.reduce((sum, batch) => sum + batch.uncompressedBytes, 0)
    this.#ratio = Math.max(1, uncompressed / Math.max(1, cut.wireBytes))
    this.#gapPending = false
    this.#sentNext = cut.next
  }

  #append({ batch, of }: Ready): void {
    const sequence = this.#appender.nextSequence
    this.#inFlight++
    this.#appender.append(batch.ready).then(
      appended => {
        this.#inFlight--
        of.left--
        this.#acked(batch, of.cut, appended, sequence)
        this.#finishDone()
        this.#part.wake()
      },
      failure => {
        this.#inFlight--
        this.#failed(failure, batch)
        this.#part.wake()
      },
    )
  }

  /** In order: a cut without batches waits for what is before it, and nothing waits for more than that. */
  #finishDone(): void {
    for (let first = this.#underway[0]; first && first.left === 0; first = this.#underway[0]) {
      this.#underway.shift()
      this.#part.unreserve(first.reservedBytes)
      this.#part.finished(first.cut)
    }
  }

  #acked(batch: TransformedBatch, cut: Cut, appended: Appended, sequence: number): void {
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
    while (this.#inFlight > 0 && !this.#part.drainOver) await this.#part.woken()
    if (this.#part.drainOver) return { kind: 'stopped' }
    const refused = this.#refused
    if (!refused) return endOf(this.#failure, this.#part.spec)
    const hopeless = this.#part.refusedAsTooLarge(refused)
    if (hopeless) return { kind: 'halt', error: hopeless }
    this.#failure = undefined
    this.#refused = undefined
    this.#appender.close()
    this.#forget()
    this.#part.rewind()
    this.#sentNext = this.#part.standing.written
    this.#gapPending = this.#part.standing.gap
    this.#appender = this.#open()
    return undefined
  }

  /** ✱ What failed while draining outweighs the reason to end: a move may not pass over it. */
  async #drained(end: RunEnd): Promise<RunEnd> {
    while (this.#inFlight > 0 && !this.#part.drainOver) await this.#part.woken()
    if (this.#failure === undefined || end.kind === 'stopped') return end
    return endOf(this.#failure, this.#part.spec)
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
