import { recordCountOf } from '../record/batch.ts'
import type { CommittedScan } from '../record/committed-scan.ts'
import type { FrameMessage } from '../route/pull.ts'

/**
 * What of one fetch response goes to a peer: byte ranges of whole batches, in order. Columns instead of an object per
 * batch: producers that do not batch give thousands in one response.
 */
export interface Chunk {
  readonly records: Buffer
  /** Byte range of each batch in `records`. */
  readonly starts: number[]
  readonly ends: number[]
  /** Position once this batch is sent, and what precedes the next one is covered. */
  readonly nexts: number[]
  /** Local offset to fetch on from then, and the leader epoch before it: at a relay not the same as `nexts`. */
  readonly localNexts: number[]
  readonly localEpochs: number[]
  /** Leader epoch at the origin. */
  readonly leaderEpochs: number[]
  /** Bytes of all batches that are still to be cut. */
  bytesLeft: number
  /** First batch that is still to be cut. */
  at: number
  readonly relayed: boolean
  /** The response's buffer is let go when nothing points into it: the queue, and each frame cut from it, counts one. */
  references: number
  readonly release: () => void
}

export function chunkOf(records: Buffer, relayed: boolean, release: () => void): Chunk {
  return {
    records,
    starts: [],
    ends: [],
    nexts: [],
    localNexts: [],
    localEpochs: [],
    leaderEpochs: [],
    bytesLeft: 0,
    at: 0,
    relayed,
    references: 1,
    release,
  }
}

/** One batch, as a scan stands at it. `next` and `leaderEpoch` are the origin's. */
export function addBatch(chunk: Chunk, scan: CommittedScan, next: number, leaderEpoch: number): void {
  chunk.starts.push(scan.start)
  chunk.ends.push(scan.end)
  chunk.nexts.push(next)
  chunk.localNexts.push(scan.nextOffset)
  chunk.localEpochs.push(scan.leaderEpoch)
  chunk.leaderEpochs.push(leaderEpoch)
  chunk.bytesLeft += scan.end - scan.start
}

/** What follows the last batch up to where the scan stands is covered by it too; `next` is the origin's. */
export function coverOn(chunk: Chunk, scan: CommittedScan, next: number, leaderEpoch: number): void {
  const last = chunk.nexts.length - 1
  if (last < 0) return
  chunk.nexts[last] = next
  chunk.localNexts[last] = scan.nextOffset
  chunk.localEpochs[last] = scan.leaderEpoch
  chunk.leaderEpochs[last] = leaderEpoch
}

export function dropReference(chunk: Chunk): void {
  if (--chunk.references === 0) chunk.release()
}

/** What a cut frame says; the channel adds the rest. */
export type CutFrame = Pick<FrameMessage, 'batches' | 'next' | 'leaderEpoch' | 'relayed'> & {
  readonly bytes: number
  readonly records: number
  readonly localNext: number
  readonly localEpoch: number
  /** To be called once, when the bytes are on their way. */
  readonly written: () => void
}

/**
 * Takes whole batches from the front of the queue, at least one and else up to `maxBytes`; neighbours in the log stay
 * one piece. Emptied chunks leave the queue. The queue must not be empty.
 */
export function cutFrame(queue: Chunk[], maxBytes: number): CutFrame {
  const batches: Buffer[] = []
  const cutFrom: Chunk[] = []
  const { relayed } = queue[0]!
  let bytes = 0
  let recordCount = 0
  let next = 0
  let leaderEpoch = -1
  let localNext = 0
  let localEpoch = -1
  while (queue.length > 0 && queue[0]!.relayed === relayed) {
    const chunk = queue[0]!
    const before = chunk.at
    bytes = cutFromChunk(chunk, maxBytes, bytes, batches)
    if (chunk.at > before) {
      recordCount += recordsBetween(chunk, before, chunk.at)
      chunk.references++
      cutFrom.push(chunk)
      next = chunk.nexts[chunk.at - 1]!
      leaderEpoch = chunk.leaderEpochs[chunk.at - 1]!
      localNext = chunk.localNexts[chunk.at - 1]!
      localEpoch = chunk.localEpochs[chunk.at - 1]!
    }
    if (chunk.at < chunk.starts.length) break
    queue.shift()
    dropReference(chunk)
  }
  const written = () => cutFrom.forEach(dropReference)
  return { batches, next, leaderEpoch, relayed, bytes, records: recordCount, localNext, localEpoch, written }
}

function recordsBetween({ records, starts }: Chunk, from: number, to: number): number {
  let count = 0
  for (let index = from; index < to; index++) count += recordCountOf(records, starts[index]!)
  return count
}

function cutFromChunk(chunk: Chunk, maxBytes: number, taken: number, batches: Buffer[]): number {
  const { records, starts, ends } = chunk
  let bytes = taken
  let runStart = -1
  let runEnd = -1
  while (chunk.at < starts.length) {
    const start = starts[chunk.at]!
    const end = ends[chunk.at]!
    if (bytes > 0 && bytes + end - start > maxBytes) break
    if (start !== runEnd) {
      if (runEnd > runStart) batches.push(records.subarray(runStart, runEnd))
      runStart = start
    }
    runEnd = end
    bytes += end - start
    chunk.bytesLeft -= end - start
    chunk.at++
  }
  if (runEnd > runStart) batches.push(records.subarray(runStart, runEnd))
  return bytes
}
