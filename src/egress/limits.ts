/** Bounds of what one session may hold. Bytes are of fetched record sets. */

/**
 * Response buffers that the channels of a session may hold. Above it, what lanes without credit hold is let go and
 * fetched again later, so that a stalled lane cannot take the memory of the others.
 */
export const HELD_BYTES_BEFORE_SHEDDING = 32 << 20
/**
 * Below this a lane without credit may fetch ahead, to begin at once when credit comes. Three fetches of 8 MiB may be
 * under way when it is reached, and still nothing needs to be shed.
 */
export const AHEAD_OF_CREDIT_BYTES = 4 << 20
/** A channel asks for more while it holds less than this: the next response arrives while this is being sent. */
export const PREFETCH_BELOW_BYTES = 512 << 10
/** An Open is answered within this, also while the local cluster is not: the target must not take us for dead. */
export const RESOLVE_WITHIN_MS = 3_000
/** Lookups that took longer and whose answer waits for the next Open; beyond it the oldest is forgotten. */
export const LATE_LOOKUPS_MAX = 1_024
/**
 * While records are known but cannot be read yet (an open transaction, a partition without leader), the peer hears so
 * often that we are alive, of so many channels: to it, one word of any of them is a sign that nothing is owed.
 */
export const WAITING_TOLD_EVERY_MS = 2_000
export const WAITING_TOLD_CHANNELS = 16
/** Covered offsets and high watermarks of partitions without data are told at most so often. */
export const PROGRESS_EVERY_MS = 500
/** Producers remembered as applications', and (producerId, epoch) pairs that were looked at: then forgotten all at once. */
export const REMEMBERED_PRODUCERS = 200_000
/** Bytes of one probe when a relay looks for a position. */
export const PROBE_BYTES = 1 << 20
export const PROBE_WAIT_MS = 1_000
/** Reads that one search may take: a log of 2^63 halves 63 times, and each step may have to read on. */
export const PROBES_PER_SEARCH = 4_096
