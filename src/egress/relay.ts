import type { FetchedBatches } from '../kafka/types.ts'
import { verifyCrc } from '../record/batch.ts'
import { CommittedScan } from '../record/committed-scan.ts'
import type { PositionHeader } from '../record/position.ts'
import { positionOf } from '../record/records.ts'
import { DEFAULT_MAX_BATCH_BYTES } from '../route/batch-limits.ts'
import { addBatch, type Chunk, chunkOf } from './chunk.ts'
import type { OriginDecisions } from './origin-decisions.ts'
import type { PassedOver } from './passed-over.ts'
import type { OfferedTopic } from './ports.ts'
import { resolveRelay } from './relay-search.ts'
import { endFor, type Scan, type ScanEnd, tooLargeEnd } from './scan.ts'
import type { EgressOptions, LinkKind } from './world.ts'

/**
 * Serving the records of another origin from our own log (design.md 3): the batches of that origin's writers, found by
 * producerId. Positions are in their position headers, so of each batch the last record is read.
 */
export function relayLink(origin: string, decisions: OriginDecisions, options: EgressOptions): LinkKind {
  const maxBatchBytes = options.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES
  return {
    relayed: true,
    resolve: (request, topic) => resolveRelay(request, topic, origin, options),
    scan: (topic, partition, place, passedOver) =>
      relayScan({ origin, topic, partition, place, maxBatchBytes }, decisions, passedOver),
  }
}

interface RelayPlace {
  readonly origin: string
  readonly topic: OfferedTopic
  readonly partition: number
  readonly place: string
  readonly maxBatchBytes: number
}

/**
 * `covered` is the next origin offset the peer needs. A batch whose range begins there or below continues it (what is
 * below is trimmed by the target); one that lies wholly below is left out; one that begins above is a hole, which a
 * relay may not declare: only the origin knows what was there.
 */
function relayScan(at: RelayPlace, decisions: OriginDecisions, passedOver: PassedOver): Scan {
  return (fetched, fetchedFrom, covered) => {
    const scan = new CommittedScan(fetched.records, fetched.abortedTransactions, fetchedFrom)
    const chunk = chunkOf(fetched.records, true, () => fetched.release())
    const unknown = new Set<number>()
    let next = covered
    let leaderEpoch = -1
    let end: ScanEnd | undefined
    try {
      while (scan.advance()) {
        if (scan.kind === 'data') {
          const verdict = decisions.verdict(scan, fetched.records)
          if (verdict.kind === 'ask-registry') unknown.add(scan.producerId)
          else if (verdict.kind === 'broken')
            end = { reason: 'registry-broken', message: `${at.place}: ${verdict.why}` }
          else if (verdict.kind === 'replica' && writes(verdict, at)) {
            const kept = keep(chunk, scan, fetched, at, next)
            if (typeof kept !== 'number') end = kept
            else if (kept > next) next = kept
            else passedOver.count(scan, fetched.records, 'repeated')
          } else passedOver.count(scan, fetched.records, 'foreign')
        } else if (scan.kind !== 'empty') passedOver.count(scan, fetched.records, scan.kind)
        if (end !== undefined) break
        leaderEpoch = scan.leaderEpoch
      }
    } catch (error) {
      end = endFor(error, at.place)
    }
    if (unknown.size > 0) return { kind: 'ask-registry', producerIds: unknown }
    return { kind: 'chunk', chunk, covered: next, fetchNext: scan.nextOffset, leaderEpoch, end }
  }
}

/** Does this writer write the partition that is relayed? The registry names topics as they are called here. */
export function writes(
  writer: { readonly origin: string; readonly topic: string; readonly partition: number },
  at: { readonly origin: string; readonly topic: OfferedTopic; readonly partition: number },
): boolean {
  return writer.origin === at.origin && writer.topic === at.topic.localName && writer.partition === at.partition
}

/** The position behind the batch, or why the channel ends before it. */
function keep(
  chunk: Chunk,
  scan: CommittedScan,
  fetched: FetchedBatches,
  at: RelayPlace,
  next: number,
): number | ScanEnd {
  const { start, end, baseOffset } = scan
  const tooLarge = tooLargeEnd(end - start, baseOffset, at.place, at.maxBatchBytes)
  if (tooLarge !== undefined) return tooLarge
  verifyCrc(fetched.records, start, end)
  const position = positionOf(fetched.records.subarray(start, end))
  if (position === undefined) return compactedAway(at.place, baseOffset)
  const problem = mismatch(position, at)
  if (problem !== undefined) return behind(`${at.place}: ${problem}`)
  if (position.next <= next) return next
  // What compaction removed here was replaced by later records of the same keys, which follow.
  if (position.from > next && !at.topic.compacted)
    return behind(`${at.place}: the relay's log goes on at ${position.from}, ${next} is needed`)
  addBatch(chunk, scan, position.next, position.leaderEpoch)
  return position.next
}

export function mismatch(position: PositionHeader, at: { readonly topic: OfferedTopic }): string | undefined {
  if (position.topicId === at.topic.topicId) return undefined
  return `the relay still holds records of topic id ${position.topicId}, asked for is ${at.topic.topicId}`
}

/** For good, until the batch leaves the log: with its last record compaction took what says which origin offsets it covers. */
function compactedAway(place: string, baseOffset: number): ScanEnd {
  const what = `compaction took the position of the batch at the relay's offset ${baseOffset}`
  return { reason: 'topic-refused', message: `${place}: ${what}; fetch this topic from its origin, without via` }
}

function behind(message: string): ScanEnd {
  return { reason: 'relay-behind', message }
}
