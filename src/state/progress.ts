import { GatewayError } from '../errors.ts'
import type { Checkpoint, Checkpoints, CompactedTable, ProgressRecord } from '../ingest/ports.ts'
import type { TopicPartition } from '../kafka/types.ts'
import { PROGRESS_TOPIC } from './topics.ts'

/**
 * `__isthmus.progress`: checkpoints and progress records (exactly-once.md 2.2, 2.4).
 * Key: `<origin>/<topic>/<partition>/<producerId>/<epoch>`, with `/txn` for the progress record of a transaction.
 * Read uncommitted: whether a progress record holds is decided by the markers in the data partition, not here.
 */
export interface ProgressValue extends Checkpoint {
  readonly v: 1
}

export function encodeProgressValue(value: ProgressValue): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Throws GatewayError POSITION_BROKEN for what a gateway of this version cannot have written. */
export function decodeProgressValue(value: Buffer, key: string): ProgressValue {
  try {
    const parsed = JSON.parse(value.toString()) as ProgressValue
    if (parsed.v === 1 && Number.isSafeInteger(parsed.position)) return parsed
  } catch {
    // Falls through to the one error.
  }
  throw new GatewayError('POSITION_BROKEN', 'process', `__isthmus.progress: the entry ${key} cannot be read`, {
    hint: 'it was written by a newer gateway or by something else; upgrade this node or restore the topic',
  })
}

/** The part of a key that chooses its partition: all runs of a partition of a link stay together. */
export function partitionOfLinkKey(key: string): string {
  return key.split('/').slice(0, 3).join('/')
}

/** Where a key is written: the table knows its own partitioning. */
export interface ProgressPlace {
  partitionOf(key: string): number
  topicId(): string
}

export class Progress implements Checkpoints {
  readonly #table: CompactedTable<ProgressValue>
  readonly #place: ProgressPlace
  readonly #byPartition = new Map<string, Map<string, Checkpoint>>()

  constructor(table: CompactedTable<ProgressValue>, place: ProgressPlace) {
    this.#table = table
    this.#place = place
  }

  /** Every change of the table, from the first entry on. */
  changed(key: string, value: ProgressValue | null): void {
    const [origin, topic, partition] = key.split('/')
    const place = `${origin}/${topic}/${partition}`
    const known = this.#byPartition.get(place) ?? new Map<string, Checkpoint>()
    if (value) known.set(key, value)
    else known.delete(key)
    this.#byPartition.set(place, known)
  }

  of(origin: string, topic: string, partition: number): readonly Checkpoint[] {
    return [...(this.#byPartition.get(`${origin}/${topic}/${partition}`)?.values() ?? [])]
  }

  /** Checkpoints of all partitions of all links. */
  *all(): IterableIterator<Checkpoint> {
    for (const known of this.#byPartition.values()) yield* known.values()
  }

  /** Position of the newest checkpoint; undefined: none. */
  positionOf(origin: string, topic: string, partition: number): number | undefined {
    return this.#newest(origin, topic, partition)?.position
  }

  /** First position ever, as the newest checkpoint tells it; undefined: none. */
  startOf(origin: string, topic: string, partition: number): number | undefined {
    return this.#newest(origin, topic, partition)?.start
  }

  #newest(origin: string, topic: string, partition: number): Checkpoint | undefined {
    // By run, not by position: a new incarnation of the origin's topic begins at 0 again.
    const runs = this.of(origin, topic, partition).filter(one => !one.transaction)
    runs.sort((a, b) => a.generation - b.generation || a.producerEpoch - b.producerEpoch)
    return runs.at(-1)
  }

  async save(checkpoint: Checkpoint): Promise<void> {
    await this.#table.put(keyOf(checkpoint), { v: 1, ...checkpoint })
  }

  async remove(checkpoints: readonly Checkpoint[]): Promise<void> {
    // A superseded checkpoint that stays is passed over by every reader.
    await Promise.allSettled(checkpoints.map(one => this.#table.put(keyOf(one), null)))
  }

  catchUp(): Promise<void> {
    return this.#table.catchUp()
  }

  progressPartition(origin: string, topic: string, partition: number): TopicPartition {
    return { topic: PROGRESS_TOPIC, partition: this.#place.partitionOf(`${origin}/${topic}/${partition}`) }
  }

  progressRecord(checkpoint: Checkpoint): ProgressRecord {
    return {
      partition: this.progressPartition(checkpoint.origin, checkpoint.topic, checkpoint.partition),
      topicId: this.#place.topicId(),
      key: Buffer.from(keyOf(checkpoint)),
      value: encodeProgressValue({ v: 1, ...checkpoint }),
    }
  }
}

function keyOf(checkpoint: Checkpoint): string {
  const { origin, topic, partition, producerId, producerEpoch } = checkpoint
  const run = `${origin}/${topic}/${partition}/${producerId}/${producerEpoch}`
  return checkpoint.transaction ? `${run}/txn` : run
}
