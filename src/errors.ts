/** What an error is about: it hurts only this much and nothing around it. */
export type ErrorScope = 'record' | 'partition' | 'topic' | 'peer' | 'process'

/** The closed list of error codes. `docs/errors.md` explains each; a test keeps both in step. */
export const ERROR_CODES = {
  CONFIG_INVALID: 'the configuration cannot be used',
  CLUSTER_UNREACHABLE: 'no broker of the local cluster answers',
  CLUSTER_MISMATCH: 'a data center name and a cluster.id do not belong together',
  BROKER_TOO_OLD: 'a broker lacks a request version that the gateway needs',
  ACL_MISSING: 'the gateway may not do what it needs on this cluster',
  SELF_TEST_FAILED: 'the fence does not hold on this cluster',
  BATCH_CORRUPT: 'bytes that are not a valid record batch',
  BATCH_OLD_FORMAT: 'a message format older than magic 2',
  BATCH_TOO_LARGE: 'a batch or record over a size limit',
  CODEC_FAILED: 'compressed bytes that cannot be decompressed within the limit',
  POSITION_BROKEN: 'position headers that contradict one another',
  REGISTRY_BROKEN: 'writers in a log that the registry does not know, or the registry was lost',
  PARTITION_GAP: 'records that the source no longer has',
  PARTITION_TRUNCATED: 'the source log ends before what was already fetched',
  TOPIC_RECREATED: 'a topic was deleted and created again under the same name',
  TOPIC_REFUSED: 'a topic that is not replicated, with the reason',
  TARGET_ALARM: 'the target log answered what it never may',
  RECORD_REFUSED: 'the target cluster refuses a record',
  PEER_UNREACHABLE: 'no address of a peer answers',
  PEER_REFUSED: 'a peer refused the session',
  PEER_PROTOCOL: 'a peer sent what the protocol does not allow',
  LOOP_DETECTED: 'records or a path that would come back to where they were',
  KAFKA_ERROR: 'a broker answered with an error',
  INTERNAL: 'a bug in the gateway',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/**
 * The one error class. `message` says what and where, `hint` what to do about it.
 * Operating conditions are values wherever a caller is expected to go on; this class is for what ends an operation.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly scope: ErrorScope
  readonly hint: string | undefined

  constructor(code: ErrorCode, scope: ErrorScope, message: string, more: { cause?: unknown; hint?: string } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'GatewayError'
    this.code = code
    this.scope = scope
    this.hint = more.hint
  }
}

/** Never reached when every case is handled; the compiler proves it. */
export function unreachable(value: never): never {
  throw new GatewayError('INTERNAL', 'process', `unhandled case: ${JSON.stringify(value)}`)
}

/** What was thrown, in words; anything can be thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
