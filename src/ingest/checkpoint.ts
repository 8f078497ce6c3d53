import type { ProducerIdentity } from '../kafka/types.ts'
import type { Checkpoint } from './ports.ts'

/** Kafka orders writer runs by (generation, epoch); within a run the higher position is the later one. */
export function isLater(a: Checkpoint, b: Checkpoint): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation
  if (a.producerEpoch !== b.producerEpoch) return a.producerEpoch > b.producerEpoch
  return a.position > b.position
}

/** The newest checkpoint and the newest unconfirmed progress record above it, out of all that were found. */
export function newest(all: readonly Checkpoint[]): { confirmed?: Checkpoint; unconfirmed?: Checkpoint } {
  let confirmed: Checkpoint | undefined
  let unconfirmed: Checkpoint | undefined
  for (const one of all) {
    if (one.transaction) {
      if (!unconfirmed || isLater(one, unconfirmed)) unconfirmed = one
    } else if (!confirmed || isLater(one, confirmed)) confirmed = one
  }
  if (confirmed && unconfirmed && !isLater(unconfirmed, confirmed)) unconfirmed = undefined
  return { confirmed, unconfirmed }
}

export function isOfRun(checkpoint: Checkpoint, { producerId, producerEpoch }: ProducerIdentity): boolean {
  return checkpoint.producerId === producerId && checkpoint.producerEpoch === producerEpoch
}
