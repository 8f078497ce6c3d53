import { GatewayError } from '../errors.ts'
import { codecIdOf, HEADER_BYTES, namingBatch } from './batch.ts'
import { encodeHeader, HeaderBlob } from './header-blob.ts'
import { OutputBatch, releaseScratch, tooLarge } from './output-batch.ts'
import { encodePosition } from './position.ts'
import { ISTHMUS_POSITION, REPLICATED_AT, SOURCE_DC } from './provenance.ts'
import type { ReadyBatch } from './ready-batch.ts'
import { RecordLayout } from './record-layout.ts'
import { type OriginRange, SourceCursor } from './source-cursor.ts'

export interface TransformInput {
  /** Whole raw data batches as the source log holds them, in order. */
  readonly batches: readonly Buffer[]
  /** Covered range of origin offsets [from, next). Records below `from`, and below `dropBelow`, are dropped. */
  readonly from: number
  readonly next: number
  /** At or above `from`: below it the origin declared a gap, or the records were taken before. By default `from`. */
  readonly dropBelow?: number
  /** Value of `source-dc`. */
  readonly origin: string
  /** Value of `replicated-at`, Unix ms. */
  readonly stampMs: number
  /** The batches come from a relay's log: origin offsets are in their position headers, provenance is kept and grows. */
  readonly relayed: boolean
  /** In the origin cluster, canonical UUID text. */
  readonly topicId: string
  /** Origin leader epoch of the last record, -1 unknown. */
  readonly leaderEpoch: number
  /** A gap that the origin declared lies in [from, next). */
  readonly gap: boolean
  /** Of the writer in the target cluster. */
  readonly producerId: number
  readonly clusterHash: Buffer
  /** Relayed records that already passed so many gateways are dropped and counted. */
  readonly maxHops: number
  /** Batches are split so that they stay below; on the wire. */
  readonly maxBatchBytes: number
  /** Hard limit of a batch that cannot be split: one record. By default `maxBatchBytes`. */
  readonly maxLoneBatchBytes?: number
}

export interface TransformedBatch {
  readonly ready: ReadyBatch
  /** Covered range; consecutive batches continue one another. */
  readonly from: number
  readonly next: number
  readonly recordCount: number
  readonly uncompressedBytes: number
  /** -1: records without a time. */
  readonly maxTimestampMs: number
  readonly minTimestampMs: number
}

export interface TransformResult {
  /** Empty when no record is left; else they cover the whole range, holes included. */
  readonly batches: readonly TransformedBatch[]
  readonly records: number
  /** Local records that carried copied provenance, now replaced. */
  readonly replacedProvenance: number
  /** Relayed records dropped for their hop count. */
  readonly droppedLoop: number
  /** Where relayed batches say that a gap lies: the hole before the batch's first record, or all it covers if there is none. */
  readonly gaps: readonly OriginRange[]
}

/** Uncompressed bytes of one batch: readers stop at 64 MiB, and memory is bounded by this for any ratio. */
const MAX_UNCOMPRESSED_BYTES = 32 * 1024 * 1024
/** After a batch came out too large, the next attempt aims this much below the limit. */
const SPLIT_MARGIN = 0.9

/**
 * The one transform of the product (record-batches.md 3): source batches in, batches ready for the target out.
 * One pass over the decompressed bytes appends provenance to every record and the position header to the last record of
 * each batch. Codec (the first batch's), timestamps, keys, values, other headers and record attributes stay as they are.
 * Every batch's CRC is checked first. Where batches must be split, a hole between two of them belongs to the later one.
 *
 * Throws GatewayError BATCH_CORRUPT, BATCH_OLD_FORMAT, CODEC_FAILED, POSITION_BROKEN (scope partition), and
 * BATCH_TOO_LARGE (scope record) for a single record over `maxBatchBytes`. Synchronous; not reentrant.
 */
export function transform(input: TransformInput): TransformResult {
  try {
    return transformAll(input)
  } finally {
    releaseScratch()
  }
}

function transformAll(input: TransformInput): TransformResult {
  const cursor = new SourceCursor(input.batches, input.relayed ? input.topicId : undefined)
  const batches: TransformedBatch[] = []
  const result = { batches, records: 0, replacedProvenance: 0, droppedLoop: 0, gaps: cursor.gaps }
  if (!cursor.openNext()) return result
  const codecId = codecIdOf(cursor.batch)
  const layout = new RecordLayout()
  const blob = provenanceBlob(input)
  let limitBytes = MAX_UNCOMPRESSED_BYTES
  let from = input.from
  for (;;) {
    const mark = cursor.mark()
    const output = new OutputBatch(blob, input.relayed, limitBytes)
    const exhausted = fillNamed(output, cursor, layout, input)
    if (output.recordCount > 0) {
      const next = exhausted ? input.next : output.lastOrigin + 1
      appendPosition(output, cursor, input, from, next)
      const ready = output.finish(codecId)
      if (ready.sizeBytes > input.maxBatchBytes) {
        const loneLimit = input.maxLoneBatchBytes ?? input.maxBatchBytes
        if (output.recordCount > 1) {
          limitBytes = smallerLimit(output.position, ready.sizeBytes, input.maxBatchBytes)
          cursor.reset(mark)
          continue
        }
        if (ready.sizeBytes > loneLimit) throw tooLarge(output.lastOrigin, ready.sizeBytes, loneLimit)
      }
      result.batches.push(finished(output, ready, from, next))
      from = next
    }
    result.records += output.recordCount
    result.replacedProvenance += output.replacedProvenance
    result.droppedLoop += output.droppedLoop
    if (exhausted) return result
  }
}

function finished(output: OutputBatch, ready: ReadyBatch, from: number, next: number): TransformedBatch {
  return {
    ready,
    from,
    next,
    recordCount: output.recordCount,
    uncompressedBytes: output.position,
    maxTimestampMs: output.maxTimestampMs,
    minTimestampMs: output.minTimestampMs,
  }
}

/** Always below what was just tried, so that attempts end: at a batch of one record at the latest. */
function smallerLimit(uncompressedBytes: number, sizeBytes: number, maxBatchBytes: number): number {
  const room = Math.max(1, maxBatchBytes - HEADER_BYTES)
  return Math.floor(uncompressedBytes * SPLIT_MARGIN * Math.min(1, room / sizeBytes))
}

function fillNamed(output: OutputBatch, cursor: SourceCursor, layout: RecordLayout, input: TransformInput): boolean {
  try {
    return fill(output, cursor, layout, input)
  } catch (error) {
    throw namingBatch(error, cursor.batch, 0)
  }
}

/** Appends records until the output is full (false) or the source exhausted (true). */
function fill(output: OutputBatch, cursor: SourceCursor, layout: RecordLayout, input: TransformInput): boolean {
  const { next, relayed, maxHops } = input
  const dropBelow = Math.max(input.from, input.dropBelow ?? input.from)
  const reader = cursor.reader
  do {
    while (cursor.recordIndex < cursor.recordCount) {
      layout.readFront(reader, cursor.bodyEnd)
      const origin = cursor.originOf(layout.offsetDelta)
      if (origin >= dropBelow) {
        if (origin >= next) throw outside(origin, input)
        layout.readRest(reader, relayed)
        if (relayed && layout.hops >= maxHops) {
          output.droppedLoop++
        } else if (output.admits(cursor, layout, origin)) {
          output.append(cursor, layout, origin)
        } else {
          reader.position = layout.recordAt
          return false
        }
      }
      cursor.consume(layout.offsetDelta, origin, layout.end)
    }
    cursor.finishBatch()
  } while (cursor.openNext())
  return true
}

function outside(origin: number, input: TransformInput): GatewayError {
  return new GatewayError(
    'BATCH_CORRUPT',
    'partition',
    `record of origin offset ${origin} outside its frame [${input.from}, ${input.next})`,
  )
}

function appendPosition(
  output: OutputBatch,
  cursor: SourceCursor,
  input: TransformInput,
  from: number,
  next: number,
): void {
  const position = encodePosition({
    from,
    next,
    // A gap is a hole: a batch without one cannot hold it.
    gap: (input.gap || cursor.gaps.length > 0) && next - from > output.recordCount,
    topicId: input.topicId,
    leaderEpoch: next === input.next ? input.leaderEpoch : output.lastLeaderEpoch,
    producerId: input.producerId,
    clusterHash: input.clusterHash,
    runs: output.runs(),
  })
  output.appendToLast(encodeHeader(ISTHMUS_POSITION, position))
}

function provenanceBlob(input: TransformInput): HeaderBlob {
  const stamp = encodeHeader(REPLICATED_AT, Buffer.from(String(input.stampMs)))
  if (input.relayed) return new HeaderBlob([stamp])
  return new HeaderBlob([encodeHeader(SOURCE_DC, Buffer.from(input.origin)), stamp])
}
