import { GatewayError } from '../errors.ts'
import type { FetchedBatches } from '../kafka/types.ts'
import { verifyCrc } from '../record/batch.ts'
import { CommittedScan } from '../record/committed-scan.ts'
import type { CloseReason } from '../route/pull.ts'
import { addBatch, type Chunk, chunkOf, coverOn } from './chunk.ts'
import type { OriginDecisions } from './origin-decisions.ts'
import type { PassedOver } from './passed-over.ts'

/** Why a channel cannot go on behind what was scanned. */
export interface ScanEnd {
  readonly reason: CloseReason
  readonly message: string
}

export type Scanned =
  | {
      readonly kind: 'chunk'
      readonly chunk: Chunk
      /** Position behind everything that was scanned, in the link's coordinates. */
      readonly covered: number
      /** Local offset and leader epoch to fetch on from. */
      readonly fetchNext: number
      readonly leaderEpoch: number
      readonly end: ScanEnd | undefined
    }
  /** These producers were never seen: read the registry to its end, then scan again. */
  | { readonly kind: 'ask-registry'; readonly producerIds: ReadonlySet<number> }

/** Chooses what of a response goes to the peer. */
export type Scan = (fetched: FetchedBatches, fetchedFrom: number, covered: number) => Scanned

/**
 * The direct link: everything that was produced here, committed and not corrupt. What must not cross only advances the
 * covered range, and is counted. `place` names the partition in errors.
 */
export function directScan(
  decisions: OriginDecisions,
  place: string,
  maxBatchBytes: number,
  passedOver: PassedOver,
): Scan {
  return (fetched, fetchedFrom) => {
    const { records } = fetched
    const scan = new CommittedScan(records, fetched.abortedTransactions, fetchedFrom)
    const chunk = chunkOf(records, false, () => fetched.release())
    const unknown = new Set<number>()
    let leaderEpoch = -1
    let covered = fetchedFrom
    let end: ScanEnd | undefined
    try {
      while (end === undefined && scan.advance()) {
        if (scan.kind === 'data') {
          const verdict = decisions.verdict(scan, records)
          if (verdict.kind === 'ask-registry') unknown.add(scan.producerId)
          else if (verdict.kind === 'broken') end = { reason: 'registry-broken', message: `${place}: ${verdict.why}` }
          else if (verdict.kind === 'local') end = keep(chunk, scan, records, place, maxBatchBytes)
          else passedOver.count(scan, records, 'foreign')
        } else if (scan.kind !== 'empty') passedOver.count(scan, records, scan.kind)
        if (end !== undefined) break
        covered = scan.nextOffset
        leaderEpoch = scan.leaderEpoch
        coverOn(chunk, scan, covered, leaderEpoch)
      }
    } catch (error) {
      end = endFor(error, place)
    }
    if (unknown.size > 0) return { kind: 'ask-registry', producerIds: unknown }
    return { kind: 'chunk', chunk, covered, fetchNext: scan.nextOffset, leaderEpoch, end }
  }
}

function keep(
  chunk: Chunk,
  scan: CommittedScan,
  records: Buffer,
  place: string,
  maxBatchBytes: number,
): ScanEnd | undefined {
  const { start, end } = scan
  const tooLarge = tooLargeEnd(end - start, scan.baseOffset, place, maxBatchBytes)
  if (tooLarge !== undefined) return tooLarge
  verifyCrc(records, start, end)
  addBatch(chunk, scan, scan.nextOffset, scan.leaderEpoch)
  return undefined
}

export function tooLargeEnd(bytes: number, offset: number, place: string, maxBatchBytes: number): ScanEnd | undefined {
  if (bytes <= maxBatchBytes) return undefined
  return {
    reason: 'too-large',
    message: `${place}: the batch at offset ${offset} has ${bytes} bytes, flow.maxBatchBytes is ${maxBatchBytes}`,
  }
}

/** What a broken batch means for the channel; bugs are thrown on. */
export function endFor(error: unknown, place: string): ScanEnd {
  if (!(error instanceof GatewayError)) throw error
  const message = `${place}: ${error.message}`
  switch (error.code) {
    case 'BATCH_OLD_FORMAT':
      return { reason: 'old-format', message }
    case 'POSITION_BROKEN':
      return { reason: 'registry-broken', message }
    default:
      return { reason: 'corrupt', message }
  }
}
