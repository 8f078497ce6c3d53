import { GatewayError } from '../errors.ts'
import type { CompactedTable } from '../ingest/ports.ts'

/**
 * `__isthmus.control`: what operators decided for the data center, and which cluster each peer was found to be. Applied
 * by every node, kept over restarts. Keys: `pause/<origin>`, `cluster/<dc>`, `link/<origin>` and its parts
 * `link/<origin>/<n>` (what was here when the link began), and `registry`; values are versioned JSON.
 */
export type ControlValue =
  | { readonly v: 1; readonly kind: 'pause'; readonly reason: string; readonly sinceMs: number }
  | { readonly v: 1; readonly kind: 'cluster'; readonly clusterId: string }
  | { readonly v: 1; readonly kind: 'link'; readonly sinceMs: number; readonly parts: number }
  | { readonly v: 1; readonly kind: 'link-part'; readonly topics: Readonly<Record<string, TopicEnds>> }
  | { readonly v: 1; readonly kind: 'registry'; readonly topicId: string; readonly end?: number }

/** Where the logs of a topic ended when a link began, by partition; 0: an empty one. */
export interface TopicEnds {
  readonly topicId: string
  readonly ends: readonly number[]
}

const KINDS: ReadonlySet<string> = new Set([
  'pause',
  'cluster',
  'link',
  'link-part',
  'registry',
] satisfies ControlValue['kind'][])

/** Of an entry, in characters: well below the 1 MiB that brokers take by default. */
const PART_CHARACTERS = 400_000

export function encodeControlValue(value: ControlValue): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Throws GatewayError REGISTRY_BROKEN for what a gateway of this version cannot have written. */
export function decodeControlValue(value: Buffer, key: string): ControlValue {
  try {
    const parsed = JSON.parse(value.toString()) as ControlValue
    if (parsed.v === 1 && KINDS.has(parsed.kind)) return parsed
  } catch {
    // Falls through to the one error.
  }
  throw new GatewayError('REGISTRY_BROKEN', 'process', `__isthmus.control: the entry ${key} cannot be read`, {
    hint: 'it was written by a newer gateway or by something else; upgrade this node or restore the topic',
  })
}

export interface Pause {
  readonly reason: string
  readonly sinceMs: number
}

export class Control {
  readonly #table: CompactedTable<ControlValue>
  readonly #nowMs: () => number
  readonly #onTrouble: (error: unknown) => void
  readonly #pauseListeners = new Set<(origin: string, pause: Pause | undefined) => void>()

  constructor(table: CompactedTable<ControlValue>, nowMs: () => number, onTrouble: (error: unknown) => void) {
    this.#table = table
    this.#nowMs = nowMs
    this.#onTrouble = onTrouble
  }

  /** Every change of the table, from the first entry on. */
  changed(key: string, value: ControlValue | null): void {
    const [kind, origin] = key.split('/')
    if (kind !== 'pause' || !origin) return
    for (const listener of this.#pauseListeners) listener(origin, value?.kind === 'pause' ? value : undefined)
  }

  onPause(listener: (origin: string, pause: Pause | undefined) => void): void {
    this.#pauseListeners.add(listener)
  }

  paused(origin: string): Pause | undefined {
    const value = this.#table.get(`pause/${origin}`)
    return value?.kind === 'pause' ? value : undefined
  }

  /** Durable when it resolves; every node of the data center follows. */
  async pause(origin: string, reason: string): Promise<{ alreadyPaused: boolean }> {
    const alreadyPaused = this.paused(origin) !== undefined
    await this.#table.put(`pause/${origin}`, { v: 1, kind: 'pause', reason, sinceMs: this.#nowMs() })
    return { alreadyPaused }
  }

  async resume(origin: string): Promise<{ wasPaused: boolean }> {
    const wasPaused = this.paused(origin) !== undefined
    await this.#table.put(`pause/${origin}`, null)
    return { wasPaused }
  }

  /** Is it remembered what was here before the link from `origin`? */
  hasBegun(origin: string): boolean {
    return this.#table.get(`link/${origin}`)?.kind === 'link'
  }

  /** Remembers for good what was here when the link from `origin` began; durable when it resolves. */
  async begin(origin: string, contents: ReadonlyMap<string, TopicEnds>): Promise<void> {
    const parts = partsOf(contents)
    for (const [at, topics] of parts.entries())
      await this.#table.put(`link/${origin}/${at}`, { v: 1, kind: 'link-part', topics })
    // Last: without it the parts count for nothing.
    await this.#table.put(`link/${origin}`, { v: 1, kind: 'link', sinceMs: this.#nowMs(), parts: parts.length })
  }

  /** What a topic held when the link from `origin` began; undefined: nothing, or it was not here. */
  endsBefore(origin: string, topic: string): TopicEnds | undefined {
    const link = this.#table.get(`link/${origin}`)
    if (link?.kind !== 'link') return undefined
    for (let at = 0; at < link.parts; at++) {
      const part = this.#table.get(`link/${origin}/${at}`)
      if (part?.kind === 'link-part' && Object.hasOwn(part.topics, topic)) return part.topics[topic]
    }
    return undefined
  }

  /** The registry as it was first seen, with the highest end that was kept; remembered now when this is the first time. */
  async registryMark(currentTopicId: string): Promise<{ topicId: string; end: number }> {
    const known = this.#table.get('registry')
    if (known?.kind === 'registry') return { topicId: known.topicId, end: known.end ?? 0 }
    await this.#table.put('registry', { v: 1, kind: 'registry', topicId: currentTopicId, end: 0 })
    return { topicId: currentTopicId, end: 0 }
  }

  /** Keeps that the registry's log reaches to `end`; only ever forward, and only for the registry that is known. */
  rememberRegistryEnd(end: number): void {
    const known = this.#table.get('registry')
    if (known?.kind !== 'registry' || (known.end ?? 0) >= end) return
    this.#table.put('registry', { ...known, end }).catch(this.#onTrouble)
  }

  /** cluster.id by which a data center was known the last time. */
  clusterOf(dc: string): string | undefined {
    const value = this.#table.get(`cluster/${dc}`)
    return value?.kind === 'cluster' ? value.clusterId : undefined
  }

  rememberCluster(dc: string, clusterId: string): void {
    if (this.clusterOf(dc) === clusterId) return
    this.#table.put(`cluster/${dc}`, { v: 1, kind: 'cluster', clusterId }).catch(this.#onTrouble)
  }
}

/** Topics in pieces that fit into one entry each. */
function partsOf(contents: ReadonlyMap<string, TopicEnds>): Record<string, TopicEnds>[] {
  const parts: Record<string, TopicEnds>[] = []
  let room = 0
  for (const [name, { topicId, ends }] of contents) {
    const characters = JSON.stringify({ [name]: { topicId, ends } }).length
    if (characters > room) {
      parts.push({})
      room = PART_CHARACTERS
    }
    parts.at(-1)![name] = { topicId, ends }
    room -= characters
  }
  return parts
}
