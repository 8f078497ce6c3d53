import type { FailureKind } from './types.ts'

/** How every operation of `kafka/` fails: what the broker or connection said, and what that means for the caller. */
export class KafkaFailure extends Error {
  readonly kind: FailureKind
  /** Protocol name (`NOT_LEADER_OR_FOLLOWER`) or a local cause (`CONNECTION_LOST`, `REQUEST_TIMED_OUT_LOCALLY`, `PROCESS_PAUSED`, `BASE_OFFSET_ALARM`, `STATE_UNKNOWN`). */
  readonly code: string
  /** Metadata of the topic is stale and was, or should be, refreshed. */
  readonly refresh: boolean

  constructor(kind: FailureKind, code: string, message: string, more: { cause?: unknown; refresh?: boolean } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'KafkaFailure'
    this.kind = kind
    this.code = code
    this.refresh = more.refresh ?? false
  }
}
