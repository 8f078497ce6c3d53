import type { Checkpoint } from '../ingest/ports.ts'
import type { Progress } from './progress.ts'
import type { Registry } from './registry.ts'

/**
 * Writers that have a checkpoint and no entry in the registry. An entry is durable before the first checkpoint of its
 * writer, so the registry was lost: their batches would look local, and so would those of writers before them.
 */
export class LostWriters {
  readonly #registry: Registry
  readonly #byPartition: ReadonlyMap<string, readonly Checkpoint[]>

  private constructor(registry: Registry, lost: readonly Checkpoint[]) {
    this.#registry = registry
    this.#byPartition = Map.groupBy(lost, ({ topic, partition }) => `${topic}-${partition}`)
  }

  /**
   * Looks once, when both tables have been read and nothing is served yet. The generations that the lost entries told are
   * restored, so that each partition is taken over under its old transactional.id, which registers its writer again.
   */
  static async look(progress: Progress, registry: Registry): Promise<LostWriters> {
    const checkpoints = [...progress.all()]
    // Checkpoints that another node is saving now: their writers were registered before.
    await registry.catchUp()
    const lost = checkpoints.filter(({ producerId }) => registry.writer(producerId) === undefined)
    for (const { origin, topic, partition, generation } of lost) {
      if (generation > registry.generationOf(origin, topic, partition))
        await registry.setGeneration(origin, topic, partition, generation)
    }
    return new LostWriters(registry, lost)
  }

  /** Partitions of which nothing may leave, as `topic-partition`. */
  partitions(): string[] {
    return [...this.#byPartition.keys()].filter(place => this.#missing(place) !== undefined)
  }

  /** Why nothing of this partition may leave now, in words; undefined: it may. */
  of(topic: string, partition: number): string | undefined {
    const missing = this.#missing(`${topic}-${partition}`)
    if (missing === undefined) return undefined
    return `__isthmus.registry does not know producerId ${missing.producerId}, which wrote the copies of ${missing.origin} here: it was lost`
  }

  #missing(place: string): Checkpoint | undefined {
    return this.#byPartition.get(place)?.find(({ producerId }) => this.#registry.writer(producerId) === undefined)
  }
}
