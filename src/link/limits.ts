import { MAX_FRAME_BYTES } from '../route/batch-limits.ts'

/**
 * Every bound of the WAN protocol in one place. Sizes are of batch bytes unless they say otherwise.
 * The reasons are in `resilience.md`'s terms: a peer may be slow, dead or lying, and costs a fixed amount of memory.
 */

/** The protocol versions this gateway speaks; Hello offers them as a range. */
export const MIN_PROTOCOL_VERSION = 1
export const MAX_PROTOCOL_VERSION = 1

/** Room for field tags, lengths and the numbers of a frame. */
const MESSAGE_SLACK_BYTES = 64 << 10
export const MAX_RESPONSE_BYTES = MAX_FRAME_BYTES + MESSAGE_SLACK_BYTES
/** Nothing a target says is large: a Hello with the paths of hundreds of data centers fits. */
export const MAX_REQUEST_BYTES = 64 << 10

/** Receive window of a stream and its connection: 98 MB/s at 80 ms round trip, where 64 KiB give 0.5. */
export const RECEIVE_WINDOW_BYTES = 16 << 20
/** Bytes given to a session's socket and not yet taken: above it the source stops cutting frames. */
export const SINK_HIGH_WATER_BYTES = 4 << 20
/** Messages (also small ones) given to a session's socket and not yet taken: above it the peer is not reading. */
export const SINK_MAX_MESSAGES = 100_000

export const MAX_SESSIONS = 256
/** Channels of one session: 10,000 idle partitions are a goal, so leave some room. */
export const MAX_CHANNELS = 32_768
/** Lanes a session may give credit to; configuration allows 256. */
export const MAX_LANES = 1_024
/** Topics in one catalog. */
export const MAX_CATALOG_TOPICS = 50_000
/** Topics in one Catalog message; with at most a dozen configs each it stays below the message limit. */
export const CATALOG_TOPICS_PER_MESSAGE = 500

/** From the call to Hello, at the server. */
export const HELLO_DEADLINE_MS = 5_000
/** HTTP/2 pings find a connection whose other end is gone. */
export const KEEPALIVE_EVERY_MS = 2_000
export const KEEPALIVE_TIMEOUT_MS = 3_000
/** A connection without a call is closed after this. */
export const IDLE_CONNECTION_MS = 60_000
/** How often a target asks for a sign of life inside the session; measures the round trip too. */
export const PING_EVERY_MS = 1_000
/** A target that takes nothing of what waits for it for so long is left alone for a while. */
export const UNREAD_AFTER_MS = 30_000
/** How often the progress of a session is looked at. */
export const PROBE_EVERY_MS = 500
/** How long a stopping node waits for its sessions to take what was written. */
export const DRAIN_MS = 1_000
/** Bytes given to gRPC before the socket took the ones before: enough to have the next frame ready, little to lose. */
export const WRITE_AHEAD_BYTES = 2 << 20
