import { GatewayError } from '../errors.ts'
import type { CompactedTable } from '../ingest/ports.ts'

/**
 * `__isthmus.control`: what operators decided for the data center, and which cluster each peer was found to be. Applied
 * by every node, kept over restarts. Keys: `pause/<origin>`, `cluster/<dc>`, `link/<origin>` (which topics were here when
 * the link first began) and `registry`; values are versioned JSON.
 */
export type ControlValue =
  | { readonly v: 1; readonly kind: 'pause'; readonly reason: string; readonly sinceMs: number }
  | { readonly v: 1; readonly kind: 'cluster'; readonly clusterId: string }
  | { readonly v: 1; readonly kind: 'link'; readonly sinceMs: number; readonly filledTopics: readonly string[] }
  | { readonly v: 1; readonly kind: 'registry'; readonly topicId: string }

const KINDS: ReadonlySet<string> = new Set(['pause', 'cluster', 'link', 'registry'] satisfies ControlValue['kind'][])

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

  /**
   * Topics that were here when the link from `origin` first began: only these can hold what was mirrored before.
   * `now` is asked, and kept for good, at the first call ever.
   */
  async topicsBefore(origin: string, now: () => readonly string[]): Promise<ReadonlySet<string>> {
    const key = `link/${origin}`
    const known = this.#table.get(key)
    if (known?.kind === 'link') return new Set(known.filledTopics)
    const filledTopics = now()
    await this.#table.put(key, { v: 1, kind: 'link', sinceMs: this.#nowMs(), filledTopics })
    return new Set(filledTopics)
  }

  /** The topic id of the registry as first seen; remembered now when this is the first time. */
  async registryTopicId(current: string): Promise<string> {
    const known = this.#table.get('registry')
    if (known?.kind === 'registry') return known.topicId
    await this.#table.put('registry', { v: 1, kind: 'registry', topicId: current })
    return current
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
