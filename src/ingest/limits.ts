/** Every limit of the room, with its unit. Values come from the config where it names them. */
export interface IngestLimits {
  /** Wire bytes of source batches that a lane may hold unacknowledged. */
  readonly laneCreditBytes: number
  /** Uncompressed bytes that are joined into one target batch. */
  readonly targetBatchBytes: number
  /** Wire bytes of produce-ready batches in flight, all partitions of the node together. */
  readonly maxInFlightBytes: number
  readonly maxReplicationHops: number
  /** Sessions of the owners' group: how long another owner may go unnoticed. */
  readonly sessionTimeoutMs: number
  /** `producer.id.expiration.ms` of the target cluster (F9). */
  readonly producerIdExpirationMs: number
  /** `transactional.id.expiration.ms` of the target cluster (F10). */
  readonly transactionalIdExpirationMs: number
}

export const APPENDS_IN_FLIGHT = 5
export const DELIVERY_TIMEOUT_MS = 30_000
export const TRANSACTION_TIMEOUT_MS = 10_000
export const MARKER_WAIT_MS = 10_000
export const MARKER_POLL_MS = 250
export const SCAN_READ_BYTES = 1024 * 1024
export const END_TXN_RESENDS = 5
/** From here on an epoch only fences, it never writes (F12). */
export const EPOCH_RETIRE = 32_000
export const CHECKPOINT_EVERY_MS = 1_000
export const CHECKPOINT_EVERY_BYTES = 64 * 1024 * 1024
/** Idle partitions look at the end of the log this often, so that local traffic does not lengthen the next scan. */
export const IDLE_SCAN_POINT_MS = 300_000
export const TRANSACTION_MAX_BYTES = 16 * 1024 * 1024
export const TRANSACTION_MAX_MS = 1_000
/** A partition leaves transaction mode after this long without old data. */
export const OLD_DATA_HYSTERESIS_MS = 60_000
export const REOPEN_FIRST_MS = 1_000
export const REOPEN_MAX_MS = 30_000
export const OWNERSHIP_CHECK_MS = 30_000
export const TAKEOVERS_AT_ONCE = 64
