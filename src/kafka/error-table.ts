import { protocolErrorsCodesById } from '@platformatic/kafka'
import { KafkaFailure } from './failure.ts'
import type { FailureKind } from './types.ts'

/** What a protocol error means here, with the reason. */
export interface ErrorMeaning {
  readonly kind: FailureKind
  /** The metadata or the coordinator that chose the broker is stale. */
  readonly refresh: boolean
  readonly reason: string
}

function meaning(kind: FailureKind, reason: string, refresh = false): ErrorMeaning {
  return { kind, refresh, reason }
}

const STALE = true

/**
 * The one classification of broker errors (names of Kafka's protocol guide). What is not listed is `fatal`: an error
 * nobody thought about must stop its partition and be seen, not be repeated.
 */
const MEANINGS: Readonly<Record<string, ErrorMeaning>> = {
  // Wrong broker: refused before anything was done; another broker, or the same one later, will do it.
  NOT_LEADER_OR_FOLLOWER: meaning('retriable', 'this broker does not lead the partition any more', STALE),
  LEADER_NOT_AVAILABLE: meaning('retriable', 'the partition has no leader just now', STALE),
  REPLICA_NOT_AVAILABLE: meaning('retriable', 'the replica is not on this broker', STALE),
  FENCED_LEADER_EPOCH: meaning('retriable', 'our metadata is older than the leader', STALE),
  UNKNOWN_LEADER_EPOCH: meaning('retriable', 'the broker is behind our metadata', STALE),
  UNKNOWN_TOPIC_OR_PARTITION: meaning('retriable', 'not there, or not known to this broker yet', STALE),
  UNKNOWN_TOPIC_ID: meaning('retriable', 'topic id not there, or not known to this broker yet', STALE),
  INCONSISTENT_TOPIC_ID: meaning('retriable', 'the broker holds another topic of this name', STALE),
  KAFKA_STORAGE_ERROR: meaning('retriable', 'the log directory failed; another replica will lead', STALE),
  BROKER_NOT_AVAILABLE: meaning('retriable', 'the broker is not in the cluster just now', STALE),
  NOT_CONTROLLER: meaning('retriable', 'another broker is the controller', STALE),
  NOT_COORDINATOR: meaning('retriable', 'the coordinator moved', STALE),
  COORDINATOR_NOT_AVAILABLE: meaning('retriable', 'the coordinator topic is being created or has no leader', STALE),
  COORDINATOR_LOAD_IN_PROGRESS: meaning('retriable', 'the coordinator reads its log; it stays where it is'),
  OFFSET_NOT_AVAILABLE: meaning('retriable', 'a new leader does not know its high watermark yet (KIP-207)'),
  NETWORK_EXCEPTION: meaning('retriable', 'the broker lost a connection of its own', STALE),

  // Right broker, wrong moment: refused before the append.
  NOT_ENOUGH_REPLICAS: meaning(
    'retriable',
    'fewer in-sync replicas than min.insync.replicas; refused before the append',
  ),
  CONCURRENT_TRANSACTIONS: meaning('retriable', 'the previous transaction of this id is still being completed'),
  THROTTLING_QUOTA_EXCEEDED: meaning('retriable', 'a controller mutation quota was exceeded (KIP-599)'),
  CORRUPT_MESSAGE: meaning('retriable', 'the CRC did not match on arrival; nothing was appended'),
  REASSIGNMENT_IN_PROGRESS: meaning('retriable', 'partitions of the topic are moving'),
  UNSTABLE_OFFSET_COMMIT: meaning('retriable', 'offsets of an open transaction'),

  // May have been done.
  REQUEST_TIMED_OUT: meaning('ambiguous', 'appended at the leader perhaps, and not replicated in time'),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: meaning(
    'ambiguous',
    'appended at the leader, and the ISR shrank before it was replicated',
  ),
  UNKNOWN_SERVER_ERROR: meaning('ambiguous', 'the broker failed somewhere in the middle'),
  DUPLICATE_SEQUENCE_NUMBER: meaning('ambiguous', 'appended before, and its offset is not remembered any more'),

  // Another owner, or a log without our state (exactly-once.md 2.1): only a new fence answers.
  OUT_OF_ORDER_SEQUENCE_NUMBER: meaning('fenced', 'the sequence does not follow what this log holds of us'),
  UNKNOWN_PRODUCER_ID: meaning('fenced', 'the log holds nothing of this producerId'),
  INVALID_PRODUCER_EPOCH: meaning('fenced', 'a newer epoch has written here'),
  PRODUCER_FENCED: meaning('fenced', 'a newer epoch is known to the coordinator'),
  TRANSACTION_COORDINATOR_FENCED: meaning('fenced', 'a newer coordinator epoch has written the marker'),
  INVALID_PRODUCER_ID_MAPPING: meaning('fenced', 'the transactional.id maps to another producerId'),
  INVALID_TXN_STATE: meaning(
    'fenced',
    'the transaction is not in a state for this; its marker may not be in the log yet (F17)',
  ),
  TRANSACTION_ABORTABLE: meaning('fenced', 'the transaction can only be aborted (KIP-890)'),

  MESSAGE_TOO_LARGE: meaning('too-large', 'over max.message.bytes of the topic'),
  RECORD_LIST_TOO_LARGE: meaning('too-large', 'over segment.bytes of the topic'),

  TOPIC_AUTHORIZATION_FAILED: meaning('denied', 'an ACL on the topic is missing'),
  GROUP_AUTHORIZATION_FAILED: meaning('denied', 'an ACL on the group is missing'),
  CLUSTER_AUTHORIZATION_FAILED: meaning('denied', 'an ACL on the cluster is missing'),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: meaning('denied', 'an ACL on the transactional.id is missing'),
  SASL_AUTHENTICATION_FAILED: meaning('denied', 'wrong user or password'),
  UNSUPPORTED_SASL_MECHANISM: meaning('denied', 'the listener does not offer this SASL mechanism'),
  ILLEGAL_SASL_STATE: meaning('denied', 'the listener wants SASL first, or none'),

  // Definite, and repeating it changes nothing. Listed because callers look for them by name.
  OFFSET_OUT_OF_RANGE: meaning('fatal', 'the offset is not in the log'),
  INVALID_TIMESTAMP: meaning('fatal', 'outside message.timestamp.before/after.max.ms (F17)'),
  INVALID_RECORD: meaning('fatal', 'the broker validated the batch and refused it'),
  UNSUPPORTED_COMPRESSION_TYPE: meaning('fatal', 'the broker does not take this codec'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: meaning('fatal', 'the log is kept in an old message format'),
  UNSUPPORTED_VERSION: meaning('fatal', 'the broker does not know this request version'),
  INVALID_REQUEST: meaning('fatal', 'the broker could not make sense of the request'),
  POLICY_VIOLATION: meaning('fatal', "a policy of the cluster's owner forbids it"),
  TRANSACTIONAL_ID_NOT_FOUND: meaning('fatal', 'the coordinator does not know this transactional.id'),
  INVALID_TOPIC_EXCEPTION: meaning('fatal', 'not a legal topic name'),
  TOPIC_ALREADY_EXISTS: meaning('fatal', 'somebody else created it'),
}

const UNLISTED: ErrorMeaning = meaning('fatal', 'not expected here')

/** Protocol name of an error code; `ERROR_<n>` for codes younger than the library. */
export function errorName(errorCode: number): string {
  const names: Readonly<Record<number, string>> = protocolErrorsCodesById
  // The library's table lacks -1, which is the broker's "something threw".
  return errorCode === -1 ? 'UNKNOWN_SERVER_ERROR' : (names[errorCode] ?? `ERROR_${errorCode}`)
}

export function meaningOf(name: string): ErrorMeaning {
  return MEANINGS[name] ?? UNLISTED
}

/** The failure for a broker's error code. `what` says the operation and its object: `Produce to orders-3`. */
export function failureFor(errorCode: number, what: string, brokerMessage?: string | null): KafkaFailure {
  const name = errorName(errorCode)
  const { kind, refresh, reason } = meaningOf(name)
  const said = brokerMessage ? `: ${brokerMessage}` : ''
  return new KafkaFailure(kind, name, `${what}: ${name} (${reason})${said}`, { refresh })
}
