import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { TopicPartition } from '../kafka/types.ts'
import { CommittedScan } from '../record/committed-scan.ts'
import type { PositionHeader } from '../record/position.ts'
import { positionOf } from '../record/records.ts'
import type { OpenRequest } from '../route/pull.ts'
import { PROBE_BYTES, PROBE_WAIT_MS, PROBES_PER_SEARCH } from './limits.ts'
import type { LogLookups, LogProbe, OfferedTopic, OriginRegistry, RelayPositions } from './ports.ts'
import { type Refusal, type Resolved, unavailable } from './resolve-start.ts'

/** What a search in the log of a relay needs. */
export interface RelayLog {
  readonly lookups: LogLookups
  readonly probe: LogProbe
  readonly registry: OriginRegistry
  readonly relayPositions: RelayPositions
}

/** A batch of the origin's writers, where it stands here and what it covers there. */
interface FoundBatch {
  readonly offset: number
  readonly nextOffset: number
  readonly position: PositionHeader
}

interface Place extends TopicPartition {
  readonly origin: string
  readonly originTopic: OfferedTopic
}

/**
 * Translates where a target wants to begin, in origin offsets, into an offset of our own log. The position headers
 * ascend with the log, so a position is found by halving; between two probes only headers are looked at, and the last
 * record of one batch per probe.
 */
export async function resolveRelay(
  request: OpenRequest,
  topic: OfferedTopic,
  origin: string,
  log: RelayLog,
): Promise<Resolved> {
  const { partition, start } = request
  const place: Place = { topic: topic.localName, partition, origin, originTopic: topic }
  try {
    // The registry must know every writer whose batches are in the log.
    await log.registry.catchUp()
    const [earliest, latest] = await Promise.all([log.lookups.earliest(place), log.lookups.latest(place)])
    const search = new RelaySearch(place, log, earliest.offset, latest.offset)
    switch (start.kind) {
      case 'position':
        return await fromPosition(search, start.offset)
      case 'earliest':
        return await fromFirst(search, earliest.offset)
      case 'latest':
        return await atEnd(search)
      case 'timestamp': {
        const { offset } = await log.lookups.atTime(place, start.timestampMs)
        return offset < 0 ? await atEnd(search) : await fromFirst(search, offset)
      }
    }
  } catch (error) {
    if (error instanceof GatewayError)
      return refused({
        reason: 'source-unavailable',
        message: `${origin}/${topic.name}-${partition}: ${error.message}`,
      })
    return refused(unavailable(error, `${origin}/${topic.name}-${partition}`))
  }
}

async function fromPosition(search: RelaySearch, wanted: number): Promise<Resolved> {
  const { partition, originTopic, origin } = search.place
  const start = search.ingestStart
  // Compaction excuses holes, but not what the relay itself never fetched.
  if (start !== undefined && wanted < start)
    return refused({
      reason: 'relay-behind',
      message: `${origin}/${originTopic.name}-${partition}: the relay began at ${start}, ${wanted} is needed`,
    })
  const found = await search.firstBeyond(wanted)
  if (found !== undefined && found.position.from > wanted && !originTopic.compacted)
    return refused({
      reason: 'relay-behind',
      message: `${origin}/${originTopic.name}-${partition}: the relay's log begins at ${found.position.from}, ${wanted} is needed`,
    })
  return opened(search, wanted, found?.offset ?? search.end)
}

async function fromFirst(search: RelaySearch, fromOffset: number): Promise<Resolved> {
  const found = await search.firstFrom(fromOffset, search.end)
  return found === undefined ? await atEnd(search) : opened(search, found.position.from, found.offset)
}

/** Where our ingest stands may be a second old: what it wrote since then is in the log and sent too. */
async function atEnd(search: RelaySearch): Promise<Resolved> {
  const { partition, originTopic, origin } = search.place
  const next = search.ingestNext
  if (next !== undefined) return await fromPosition(search, next)
  return refused({
    reason: 'source-unavailable',
    message: `${origin}/${originTopic.name}-${partition}: the relay has not begun to fetch it`,
  })
}

function opened(search: RelaySearch, position: number, offset: number): Resolved {
  const highWatermark = Math.max(position, search.ingestNext ?? position)
  return { kind: 'opened', position, logStart: 0, highWatermark, fetch: { offset, leaderEpoch: -1 } }
}

function refused(refusal: Refusal): Resolved {
  return { kind: 'refused', refusal }
}

class RelaySearch {
  readonly place: Place
  readonly start: number
  readonly end: number
  readonly ingestNext: number | undefined
  readonly ingestStart: number | undefined
  readonly #log: RelayLog
  #probesLeft = PROBES_PER_SEARCH

  constructor(place: Place, log: RelayLog, start: number, end: number) {
    this.place = place
    this.start = start
    this.end = end
    this.#log = log
    const { origin, originTopic, partition } = place
    this.ingestNext = log.relayPositions.next(origin, originTopic.name, partition)
    this.ingestStart = log.relayPositions.start(origin, originTopic.name, partition)
  }

  /**
   * First batch that covers anything at or beyond `wanted`; undefined: there is none yet. Invariant: no such batch
   * begins below `low`, and if one exists, the first begins below `high` or is `found`.
   */
  async firstBeyond(wanted: number): Promise<FoundBatch | undefined> {
    let low = this.start
    let high = this.end
    let found: FoundBatch | undefined
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      const batch = await this.firstFrom(middle, high)
      if (batch === undefined) high = middle
      else if (batch.position.next > wanted) {
        found = batch
        high = middle
      } else low = batch.nextOffset
    }
    return found
  }

  /** First batch of the origin's writers that ends above `offset` and begins below `limit`. */
  async firstFrom(offset: number, limit: number): Promise<FoundBatch | undefined> {
    let at = offset
    while (at < limit) {
      if (this.#probesLeft-- <= 0)
        throw new KafkaFailure(
          'retriable',
          'RELAY_SEARCH_TOO_LONG',
          `no batch of ${this.place.origin} was found in time`,
        )
      const fetched = await this.#log.probe.read(this.place, at, PROBE_BYTES, PROBE_WAIT_MS)
      try {
        // Aborted transactions are of no concern: they only make the place found begin a little early.
        const scan = new CommittedScan(fetched.records, [], at)
        while (scan.advance() && scan.baseOffset < limit) {
          if (scan.kind !== 'data' || !this.#isOurs(scan.producerId)) continue
          const position = positionOf(fetched.records.subarray(scan.start, scan.end))
          if (position === undefined || position.topicId !== this.place.originTopic.topicId) continue
          return { offset: scan.baseOffset, nextOffset: scan.nextOffset, position }
        }
        if (scan.nextOffset <= at) return undefined
        at = scan.nextOffset
      } finally {
        fetched.release()
      }
    }
    return undefined
  }

  #isOurs(producerId: number): boolean {
    const writer = this.#log.registry.writer(producerId)
    const { origin, topic, partition } = this.place
    return writer?.origin === origin && writer.topic === topic && writer.partition === partition
  }
}
