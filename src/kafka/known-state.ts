import type { ProducerIdentity, ProducerState } from './types.ts'

const SEQUENCE_MODULUS = 2 ** 31

/** What a writer run knows of itself. Sequences are -1 before the first. */
export interface WriterRun {
  readonly identity: ProducerIdentity
  readonly lastAckedSequence: number
  readonly lastSentSequence: number
  /** The epoch was taken after the fence and has written nothing yet: the log still shows an older one (exactly-once.md 2.2). */
  readonly newEpoch: boolean
}

/**
 * The known-state rule (exactly-once.md 2.1, F13): a partition without our state accepts any sequence and any epoch, so
 * before we rely on its checks it must show our epoch, and a last sequence not below our last ack and not above what we
 * ever sent. Returns what contradicts that, or undefined when all is well.
 */
export function contradiction(state: ProducerState | undefined, run: WriterRun): string | undefined {
  const { producerId, producerEpoch } = run.identity
  if (state === undefined) return `the log holds nothing of producerId ${producerId}`
  if (run.newEpoch && state.producerEpoch < producerEpoch) return undefined
  if (state.producerEpoch !== producerEpoch) {
    return `the log shows epoch ${state.producerEpoch} of producerId ${producerId}, we write in ${producerEpoch}`
  }
  const ahead = distance(run.lastAckedSequence, state.lastSequence)
  if (ahead <= distance(run.lastAckedSequence, run.lastSentSequence)) return undefined
  return `the log shows sequence ${state.lastSequence}; ${run.lastAckedSequence} was acknowledged and ${run.lastSentSequence} sent`
}

/** Sequences wrap modulo 2^31 (record-batches.md 2). */
function distance(from: number, to: number): number {
  return (to - from + SEQUENCE_MODULUS) % SEQUENCE_MODULUS
}
