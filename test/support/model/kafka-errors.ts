import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { FailureKind } from '../../../src/kafka/types.ts'

/** Meaning of the errors that the model answers with, as `kafka/error-table.ts` has them; a test compares both. */
export const MODEL_ERRORS: Readonly<Record<string, FailureKind>> = {
  NOT_LEADER_OR_FOLLOWER: 'retriable',
  UNKNOWN_TOPIC_OR_PARTITION: 'retriable',
  NOT_ENOUGH_REPLICAS: 'retriable',
  CONCURRENT_TRANSACTIONS: 'retriable',
  COORDINATOR_NOT_AVAILABLE: 'retriable',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'ambiguous',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'fenced',
  INVALID_PRODUCER_EPOCH: 'fenced',
  PRODUCER_FENCED: 'fenced',
  INVALID_PRODUCER_ID_MAPPING: 'fenced',
  INVALID_TXN_STATE: 'fenced',
  MESSAGE_TOO_LARGE: 'too-large',
  OFFSET_OUT_OF_RANGE: 'fatal',
}

export function modelFailure(code: string, what: string): KafkaFailure {
  const kind = MODEL_ERRORS[code]
  if (kind === undefined) throw new Error(`the model has no meaning for ${code}`)
  return new KafkaFailure(kind, code, `${what}: ${code}`, { refresh: code === 'NOT_LEADER_OR_FOLLOWER' })
}
