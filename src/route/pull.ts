/**
 * The words of the pull protocol (proto/isthmus/replication/v1) as plain values.
 * Offsets and times are safe integers; topic ids are canonical lower-case UUID text.
 */

/** Data centers a record of `origin` passes on its way to the speaker, in order, without the speaker. Direct: [origin]. */
export interface Path {
  readonly origin: string
  readonly via: readonly string[]
}

/** Who stands at the other end of a session. */
export interface PeerIdentity {
  readonly dc: string
  readonly node: string
  readonly clusterId: string
  readonly paths: readonly Path[]
}

/** One topic that a peer offers on a link, or refuses to, with the reason. */
export interface CatalogTopic {
  readonly name: string
  /** Id of the topic in the ORIGIN cluster, also when a relay speaks. */
  readonly topicId: string
  readonly partitions: number
  /** Those that matter to a replica and were set on the topic itself: defaults of a cluster stay its own. */
  readonly configs: Readonly<Record<string, string>>
  /** `max.message.bytes` in force where the source reads, wherever it was set; 0: not known. */
  readonly maxMessageBytes: number
  /** Set when the source's rules forbid this peer the topic. */
  readonly refused?: string
}

/** Where to begin: a position (next origin offset), or the start policy of a first start. */
export type StartAt =
  | { readonly kind: 'position'; readonly offset: number; readonly leaderEpoch: number }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

/** Ingest asks for one partition. `channel` is unique within the session and never reused. */
export interface OpenRequest {
  readonly channel: number
  readonly lane: number
  readonly topic: string
  /** Origin topic id that the position belongs to; absent at a first start. */
  readonly topicId?: string
  readonly partition: number
  readonly start: StartAt
}

export interface OpenedMessage {
  readonly channel: number
  readonly topicId: string
  /** The resolved next origin offset. */
  readonly position: number
  readonly logStart: number
  readonly highWatermark: number
}

/**
 * A run of whole batches of one partition covering origin offsets [from, next), contiguous over holes.
 * `batches` are raw record batches as the source log holds them (still compressed).
 */
export interface FrameMessage {
  readonly channel: number
  readonly from: number
  readonly next: number
  /** Origin leader epoch of the last record covered, -1 unknown. */
  readonly leaderEpoch: number
  readonly highWatermark: number
  /** The source's wall clock when the frame was cut: lag in seconds compares source stamps with source time only. */
  readonly sourceTimeMs: number
  readonly batches: readonly Buffer[]
  /** From a relay's log: offsets inside `batches` are the relay's, origin offsets are in their position headers. */
  readonly relayed: boolean
  /** [from, next) contains a gap that the origin declared. */
  readonly gap: boolean
}

/** Nothing to carry, but the covered range advanced, or the high watermark moved. */
export interface ProgressMessage {
  readonly channel: number
  readonly next: number
  /** Origin leader epoch of what lies directly below `next`, -1 unknown. */
  readonly leaderEpoch: number
  readonly highWatermark: number
  readonly sourceTimeMs: number
}

export const CLOSE_REASONS = [
  'requested',
  'topic-missing',
  'topic-recreated',
  'topic-refused',
  'gap',
  'truncated',
  'corrupt',
  'old-format',
  'too-large',
  'registry-broken',
  'relay-behind',
  'source-unavailable',
  'internal',
] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]

/** The source ends a channel. For `gap` [gapFrom, gapTo) is what is gone; for `truncated` gapTo is where the log ends. */
export interface ClosedMessage {
  readonly channel: number
  readonly reason: CloseReason
  readonly message: string
  readonly gapFrom?: number
  readonly gapTo?: number
  readonly topicId?: string
}
