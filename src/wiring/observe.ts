import type { IngestEvent, IngestObserver } from '../ingest/ports.ts'
import { linkName } from '../route/names.ts'
import type { EventName } from '../telemetry/events.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { RateMeter } from './rates.ts'
import { Repeats } from './repeats.ts'

/** How ingest's events are called for operators (telemetry/events.ts). */
const EVENT_NAMES: Record<IngestEvent['name'], EventName> = {
  gap: 'gap',
  truncated: 'truncated',
  'topic-recreated': 'topic-recreated',
  'target-recreated': 'target-recreated',
  'target-truncated': 'target-truncated',
  halted: 'halted',
  fenced: 'fenced',
  'mode-changed': 'mode-changed',
}

/** Topics of all links with a rate; one that is withdrawn is forgotten when others need its place. */
const METERS_MAX = 50_000
/** Halted partitions whose return is to be told. */
const HALTED_MAX = 50_000

function forgetOldest(known: Map<string, unknown> | Set<string>, most: number): void {
  const oldest = known.keys().next().value
  if (known.size > most && oldest !== undefined) known.delete(oldest)
}

interface Place {
  readonly origin: string
  readonly topic: string
  readonly partition: number
}

function placeKey({ origin, topic, partition }: Place): string {
  return `${origin}/${topic}/${partition}`
}

/** What ingest measures, as metrics, events and log lines; and the rates of each topic of a link. */
export class IngestTelemetry implements IngestObserver {
  readonly #dc: string
  readonly #telemetry: Telemetry
  readonly #nowMs: () => number
  readonly #meters = new Map<string, RateMeter>()
  readonly #repeats: Repeats
  /** Partitions whose halt was told and not yet their return. */
  readonly #halted = new Set<string>()

  constructor(dc: string, telemetry: Telemetry, nowMs: () => number) {
    this.#dc = dc
    this.#telemetry = telemetry
    this.#nowMs = nowMs
    this.#repeats = new Repeats(nowMs)
  }

  meter(origin: string, topic: string): RateMeter {
    const key = `${origin}/${topic}`
    const known = this.#meters.get(key)
    if (known) return known
    const meter = new RateMeter(this.#nowMs())
    this.#meters.set(key, meter)
    forgetOldest(this.#meters, METERS_MAX)
    return meter
  }

  event(event: IngestEvent): void {
    const { origin, topic, partition, message, from, to } = event
    const link = linkName(origin, this.#dc)
    const { metrics } = this.#telemetry.registry
    if (event.name === 'gap') {
      metrics.gaps.add({ link, topic })
      if (from !== undefined && to !== undefined) metrics.gapRecords.add({ link, topic }, to - from)
    }
    if (event.name === 'halted') {
      this.#halted.add(placeKey(event))
      forgetOldest(this.#halted, HALTED_MAX)
    }
    if (event.name === 'fenced') metrics.fenced.add({ link })
    const place = { link, topic, partition, fromOffset: from, toOffset: to }
    this.#telemetry.events.record(EVENT_NAMES[event.name], message, place)
  }

  takeover(at: Place, reason: string, durationMs: number): void {
    const link = linkName(at.origin, this.#dc)
    const { metrics } = this.#telemetry.registry
    metrics.takeovers.add({ link, reason })
    metrics.fences.add({ link })
    metrics.takeoverSeconds.observe({ link }, durationMs / 1000)
    if (!this.#halted.delete(placeKey(at))) return
    const { topic, partition } = at
    this.#telemetry.events.record('resumed', 'runs again', { link, topic, partition })
  }

  appended(origin: string, topic: string, records: number, storedBytes: number, recordBytes: number): void {
    const link = linkName(origin, this.#dc)
    const { metrics } = this.#telemetry.registry
    metrics.recordsIn.add({ link, topic }, records)
    metrics.bytesStored.add({ link, topic }, storedBytes)
    this.meter(origin, topic).add(records, recordBytes)
  }

  received(origin: string, topic: string, frameBytes: number): void {
    this.#telemetry.registry.metrics.bytesIn.add({ link: linkName(origin, this.#dc), topic }, frameBytes)
  }

  appendFailed(origin: string, _topic: string, kind: string, _code: string): void {
    this.#telemetry.registry.metrics.produceErrors.add({ link: linkName(origin, this.#dc), kind })
  }

  dropped(origin: string, topic: string, reason: 'loop' | 'duplicate', records: number): void {
    const link = linkName(origin, this.#dc)
    this.#telemetry.registry.metrics.dropped.add(
      { link, reason: reason === 'duplicate' ? 'repeated' : reason },
      records,
    )
    if (reason !== 'loop') return
    const message =
      'records that had passed too many data centers are dropped; isthmus_dropped_records_total counts them'
    if (this.#repeats.news(`${link} ${topic}`, reason)) this.#telemetry.events.record('loop', message, { link, topic })
  }

  provenanceReplaced(origin: string, _topic: string, records: number): void {
    this.#telemetry.registry.metrics.provenanceReplaced.add({ link: linkName(origin, this.#dc) }, records)
  }

  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void {
    this.#telemetry.logger.child('ingest').limited(`${message} ${fields.origin}`)[level](fields, message)
  }
}
