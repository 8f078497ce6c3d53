import { GatewayError } from '../errors.ts'
import {
  baseOffsetOf,
  batchEnd,
  isControl,
  lastOffsetDeltaOf,
  nextOffsetOf,
  recordCountOf,
  verifyCrc,
} from '../record/batch.ts'
import type { FrameMessage } from '../route/pull.ts'
import type { FramePiece } from './messages.ts'

/**
 * What the target checks of every frame before anyone works with it: a peer may be broken or lying. Pure; state is one
 * small object per channel. All errors are about the partition: they end the channel, not the session.
 */

export interface FrameCourse {
  /** Origin offset that the next frame must begin at. */
  next: number
  /** Pieces of a batch larger than a frame, not complete yet. */
  partial: { readonly first: FramePiece; readonly pieces: Buffer[]; bytes: number } | undefined
}

export function courseFrom(position: number): FrameCourse {
  return { next: position, partial: undefined }
}

export function batchBytes(piece: { readonly batches: readonly Buffer[] }): number {
  let bytes = 0
  for (const batch of piece.batches) bytes += batch.length
  return bytes
}

/**
 * Takes the next frame of a channel; undefined while more pieces of it must come. The result's `batches` are single
 * batches, whole and with the right CRC. Throws GatewayError PEER_PROTOCOL (range, continuation), BATCH_CORRUPT,
 * BATCH_OLD_FORMAT, BATCH_TOO_LARGE; the channel is then of no use.
 */
export function takeFrame(course: FrameCourse, piece: FramePiece, maxBatchBytes: number): FrameMessage | undefined {
  checkRange(course, piece)
  const records = join(course, piece, maxBatchBytes)
  if (records === undefined) return undefined
  const batches: Buffer[] = []
  let following = -1
  for (const run of records) following = splitRun(run, piece, batches, following)
  course.next = piece.next
  const { channel, from, next, leaderEpoch, highWatermark, sourceTimeMs, relayed, gap } = piece
  return { channel, from, next, leaderEpoch, highWatermark, sourceTimeMs, batches, relayed, gap }
}

/** Progress covers on from where the channel stands. Throws GatewayError PEER_PROTOCOL. */
export function takeProgress(course: FrameCourse, next: number): void {
  if (course.partial !== undefined) throw violation('progress inside a continued batch')
  if (next < course.next) throw violation(`progress to ${next}, but ${course.next} was reached`)
  course.next = next
}

function checkRange(course: FrameCourse, piece: FramePiece): void {
  const { from, next } = piece
  if (from > next) throw violation(`a frame that covers [${from}, ${next})`)
  const { partial } = course
  if (partial !== undefined) {
    if (from !== partial.first.from || next !== partial.first.next)
      throw violation(
        `a frame [${from}, ${next}) inside the continued batch of [${partial.first.from}, ${partial.first.next})`,
      )
    return
  }
  if (from !== course.next) throw violation(`a frame from ${from}, but ${course.next} is next`)
  if (from === next && piece.batches.length > 0) throw violation(`batches in a frame that covers nothing at ${from}`)
}

/** Complete runs, or undefined while a batch is not complete. What is kept is bounded by the largest batch. */
function join(course: FrameCourse, piece: FramePiece, maxBatchBytes: number): readonly Buffer[] | undefined {
  const { partial } = course
  if (partial === undefined && !piece.continued) return piece.batches
  const open = partial ?? { first: piece, pieces: [], bytes: 0 }
  open.bytes += batchBytes(piece)
  if (open.bytes > maxBatchBytes)
    throw new GatewayError(
      'BATCH_TOO_LARGE',
      'partition',
      `a batch of [${piece.from}, ${piece.next}) has more than ${maxBatchBytes} bytes`,
      { hint: 'raise flow.maxBatchBytes in the target data center' },
    )
  open.pieces.push(...piece.batches)
  course.partial = open
  if (piece.continued) return undefined
  course.partial = undefined
  return [Buffer.concat(open.pieces, open.bytes)]
}

/** Appends the batches of a run to `batches`; returns the offset that a following batch may not be below. */
function splitRun(run: Buffer, piece: FramePiece, batches: Buffer[], following: number): number {
  let at = 0
  let lowest = following
  while (at < run.length) {
    const end = batchEnd(run, at)
    if (end < 0) throw violation(`a frame [${piece.from}, ${piece.next}) with a torn batch`)
    verifyCrc(run, at, end)
    checkBatch(run, at, piece, lowest)
    lowest = nextOffsetOf(run, at)
    batches.push(at === 0 && end === run.length ? run : run.subarray(at, end))
    at = end
  }
  return lowest
}

function checkBatch(run: Buffer, at: number, piece: FramePiece, lowest: number): void {
  const base = baseOffsetOf(run, at)
  const next = nextOffsetOf(run, at)
  const count = recordCountOf(run, at)
  if (isControl(run, at)) throw violation(`a control batch at ${base}`)
  if (count < 1 || lastOffsetDeltaOf(run, at) < count - 1) throw violation(`a batch at ${base} of ${count} records`)
  if (base < lowest) throw violation(`a batch at ${base} after one that ends at ${lowest}`)
  // A relay's own offsets say nothing about origin offsets; ingest reads those from the position headers.
  if (piece.relayed) return
  if (next > piece.next || next <= piece.from)
    throw violation(`a batch of offsets [${base}, ${next}) in a frame that covers [${piece.from}, ${piece.next})`)
}

function violation(what: string): GatewayError {
  return new GatewayError('PEER_PROTOCOL', 'partition', `the peer sent ${what}`)
}
