import { GatewayError } from '../errors.ts'
import type { CompactedTable, WriterEntry, WriterRegistry } from '../ingest/ports.ts'

/**
 * `__isthmus.registry`: whose a producerId is (exactly-once.md 2.5). An entry is durable before the first batch of its
 * producerId, so after reading to the end, a producerId that is not here is an application's.
 *
 * Keys: `writer/<producerId>` and `generation/<origin>/<topic>/<partition>`; values are versioned JSON.
 */
export type RegistryValue =
  | ({ readonly v: 1; readonly kind: 'writer' } & WriterEntry)
  | { readonly v: 1; readonly kind: 'generation'; readonly generation: number }

export function encodeRegistryValue(value: RegistryValue): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Throws GatewayError REGISTRY_BROKEN for what a gateway of this version cannot have written. */
export function decodeRegistryValue(value: Buffer, key: string): RegistryValue {
  try {
    const parsed = JSON.parse(value.toString()) as RegistryValue
    if (parsed.v === 1 && (parsed.kind === 'writer' || parsed.kind === 'generation')) return parsed
  } catch {
    // Falls through to the one error.
  }
  throw new GatewayError('REGISTRY_BROKEN', 'process', `__isthmus.registry: the entry ${key} cannot be read`, {
    hint: 'it was written by a newer gateway or by something else; upgrade this node or restore the topic',
  })
}

export class Registry implements WriterRegistry {
  readonly #table: CompactedTable<RegistryValue>
  readonly #byPartition = new Map<string, WriterEntry[]>()
  readonly #byProducerId = new Map<number, WriterEntry>()

  constructor(table: CompactedTable<RegistryValue>) {
    this.#table = table
  }

  /** Every change of the table, from the first entry on. */
  changed(value: RegistryValue | null): void {
    if (value?.kind !== 'writer' || this.#byProducerId.has(value.producerId)) return
    const { producerId, origin, topic, partition, generation } = value
    const entry = { producerId, origin, topic, partition, generation }
    this.#byProducerId.set(producerId, entry)
    const place = placeOf(origin, topic, partition)
    this.#byPartition.set(place, [...(this.#byPartition.get(place) ?? []), entry])
  }

  /** Whose writer this is; undefined: nobody's as far as read. */
  writer(producerId: number): WriterEntry | undefined {
    return this.#byProducerId.get(producerId)
  }

  writersOf(origin: string, topic: string, partition: number): readonly WriterEntry[] {
    return this.#byPartition.get(placeOf(origin, topic, partition)) ?? []
  }

  generationOf(origin: string, topic: string, partition: number): number {
    const value = this.#table.get(generationKey(origin, topic, partition))
    return value?.kind === 'generation' ? value.generation : 0
  }

  async register(entry: WriterEntry): Promise<void> {
    const { producerId, origin, topic, partition, generation } = entry
    const value: RegistryValue = { v: 1, kind: 'writer', producerId, origin, topic, partition, generation }
    await this.#table.put(`writer/${producerId}`, value)
    this.changed(value)
  }

  async setGeneration(origin: string, topic: string, partition: number, generation: number): Promise<void> {
    await this.#table.put(generationKey(origin, topic, partition), { v: 1, kind: 'generation', generation })
  }

  catchUp(): Promise<void> {
    return this.#table.catchUp()
  }
}

function placeOf(origin: string, topic: string, partition: number): string {
  return `${origin}/${topic}/${partition}`
}

function generationKey(origin: string, topic: string, partition: number): string {
  return `generation/${placeOf(origin, topic, partition)}`
}
