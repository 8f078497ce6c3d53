import { GatewayError } from '../errors.ts'
import {
  attributesOf,
  BASE_TIMESTAMP_AT,
  baseOffsetOf,
  batchEnd,
  CONTROL_BIT,
  corrupt,
  LOG_APPEND_TIME_BIT,
  lastOffsetDeltaOf,
  leaderEpochOf,
  MAX_TIMESTAMP_AT,
  readInt64,
  recordCountOf,
  verifyCrc,
} from './batch.ts'
import type { PositionHeader } from './position.ts'
import { decompressedBody, positionOf } from './records.ts'
import { VarintReader } from './varint.ts'

/** Origin offsets [from, to). */
export interface OriginRange {
  readonly from: number
  readonly to: number
}

/** A place between two records, to come back to when an output batch must be made again smaller. */
export interface SourceMark {
  readonly batchIndex: number
  readonly position: number
  readonly recordIndex: number
  readonly previousDelta: number
  readonly previousOrigin: number
}

const NOTHING = Buffer.alloc(0)

/**
 * Walks the records of several source batches, one open (decompressed) batch at a time, and knows the origin offset of
 * each record: base offset and delta, or the runs of the position header where the batch comes from a relay's log.
 */
export class SourceCursor {
  /** Over the body of the open batch. */
  readonly reader = new VarintReader(NOTHING, 0, 0)
  /** Of the open batch. */
  batch: Buffer = NOTHING
  batchIndex = -1
  bodyEnd = 0
  recordCount = 0
  recordIndex = 0
  leaderEpoch = -1
  appendTime = false
  /** Every record's time is this plus its delta; with LogAppendTime this alone. Unix ms. */
  baseTimestampMs = 0
  /** Where `baseTimestampMs` stands in the header, for copies beyond 2^53. */
  baseTimestampAt = BASE_TIMESTAMP_AT
  /** Times beyond 2^53: correct only as they stand, so this batch is never joined to another. */
  alone = false
  /** Where the relayed batches opened so far say that a gap lies: origin offsets [from, to), in order. */
  readonly gaps: OriginRange[] = []

  private readonly batches: readonly Buffer[]
  private readonly relayedTopicId: string | undefined
  private baseOffset = 0
  private lastOffsetDelta = 0
  private previousDelta = -1
  private previousOrigin = -1
  private position: PositionHeader | undefined
  private run = 0
  private runFirstDelta = 0

  /** `relayedTopicId`: set when the batches come from a relay's log, the origin topic id they must belong to. */
  constructor(batches: readonly Buffer[], relayedTopicId: string | undefined) {
    this.batches = batches
    this.relayedTopicId = relayedTopicId
  }

  get isLastBatch(): boolean {
    return this.batchIndex >= this.batches.length - 1
  }

  /** False when there is none. Throws BATCH_CORRUPT, BATCH_OLD_FORMAT, CODEC_FAILED, POSITION_BROKEN. */
  openNext(): boolean {
    if (this.isLastBatch) return false
    this.open(this.batchIndex + 1)
    return true
  }

  private open(index: number): void {
    const batch = this.batches[index]!
    if (batchEnd(batch, 0) !== batch.length) throw corrupt(batch, 0, `not one whole batch in ${batch.length} bytes`)
    verifyCrc(batch, 0, batch.length)
    const attributes = attributesOf(batch)
    if ((attributes & CONTROL_BIT) !== 0) throw corrupt(batch, 0, 'control batch among data')
    const body = decompressedBody(batch)
    this.batch = batch
    this.batchIndex = index
    this.reader.buffer = body
    this.reader.position = 0
    this.bodyEnd = body.length
    this.recordCount = recordCountOf(batch)
    this.recordIndex = 0
    this.previousDelta = -1
    this.baseOffset = baseOffsetOf(batch)
    this.lastOffsetDelta = lastOffsetDeltaOf(batch)
    this.leaderEpoch = leaderEpochOf(batch)
    this.appendTime = (attributes & LOG_APPEND_TIME_BIT) !== 0
    this.baseTimestampAt = this.appendTime ? MAX_TIMESTAMP_AT : BASE_TIMESTAMP_AT
    this.baseTimestampMs = readInt64(batch, this.baseTimestampAt)
    this.alone =
      !Number.isSafeInteger(this.baseTimestampMs) || !Number.isSafeInteger(readInt64(batch, MAX_TIMESTAMP_AT))
    if (this.relayedTopicId !== undefined && this.recordCount > 0) this.openPosition(body, this.relayedTopicId)
  }

  private openPosition(body: Buffer, topicId: string): void {
    const position = positionOf(this.batch, body)
    if (position === undefined) throw this.brokenPosition('no position header on the last record of a relayed batch')
    if (position.topicId !== topicId) {
      throw this.brokenPosition(`topic id ${position.topicId}, expected ${topicId}`)
    }
    this.position = position
    this.run = 0
    this.runFirstDelta = 0
    this.leaderEpoch = position.leaderEpoch
    if (position.gap) this.remember(gapIn(position))
  }

  /** A batch is opened again when an output batch must be made again smaller. */
  private remember(gap: OriginRange): void {
    if (!this.gaps.some(({ from }) => from === gap.from)) this.gaps.push(gap)
  }

  /** Origin offset of the record at hand. Throws when the batch contradicts itself or its predecessor. */
  originOf(offsetDelta: number): number {
    if (offsetDelta <= this.previousDelta || offsetDelta > this.lastOffsetDelta) {
      throw corrupt(this.batch, 0, `offset delta ${offsetDelta} after ${this.previousDelta} of ${this.lastOffsetDelta}`)
    }
    const origin = this.position === undefined ? this.baseOffset + offsetDelta : this.originInRuns(offsetDelta)
    if (origin <= this.previousOrigin) {
      throw corrupt(this.batch, 0, `record of offset ${origin} after ${this.previousOrigin}`)
    }
    return origin
  }

  private originInRuns(offsetDelta: number): number {
    const runs = this.position!.runs
    while (this.run < runs.length && offsetDelta >= this.runFirstDelta + runs[this.run + 1]!) {
      this.runFirstDelta += runs[this.run + 1]!
      this.run += 2
    }
    if (this.run >= runs.length) throw this.brokenPosition(`no origin offset for record ${offsetDelta}`)
    return runs[this.run]! + offsetDelta - this.runFirstDelta
  }

  /** The record with this offset delta and origin is done; `end` is where the next one begins. */
  consume(offsetDelta: number, origin: number, end: number): void {
    this.previousDelta = offsetDelta
    this.previousOrigin = origin
    this.recordIndex++
    this.reader.position = end
  }

  /** Throws when the open batch has bytes left after its last record. */
  finishBatch(): void {
    const left = this.bodyEnd - this.reader.position
    if (left !== 0) throw corrupt(this.batch, 0, `${left} bytes after its ${this.recordCount} records`)
  }

  mark(): SourceMark {
    return {
      batchIndex: this.batchIndex,
      position: this.reader.position,
      recordIndex: this.recordIndex,
      previousDelta: this.previousDelta,
      previousOrigin: this.previousOrigin,
    }
  }

  reset(mark: SourceMark): void {
    if (mark.batchIndex !== this.batchIndex) this.open(mark.batchIndex)
    this.run = 0
    this.runFirstDelta = 0
    this.reader.limit = this.bodyEnd
    this.reader.position = mark.position
    this.recordIndex = mark.recordIndex
    this.previousDelta = mark.previousDelta
    this.previousOrigin = mark.previousOrigin
  }

  private brokenPosition(what: string): GatewayError {
    return new GatewayError('POSITION_BROKEN', 'partition', `batch at relay's offset ${this.baseOffset}: ${what}`)
  }
}

/** A gap is a hole, and it mostly stands before the first record; else it is somewhere between the others. */
function gapIn({ from, next, runs }: PositionHeader): OriginRange {
  const first = runs[0] ?? next
  return first > from ? { from, to: first } : { from, to: next }
}
