import type {
  CatalogTopic,
  ClosedMessage,
  FrameMessage,
  OpenedMessage,
  OpenRequest,
  Path,
  ProgressMessage,
} from '../route/pull.ts'

/** What travels in a session, as plain values. The words of single partitions are those of route/pull.ts. */

export interface HelloMessage {
  readonly minVersion: number
  readonly maxVersion: number
  readonly dc: string
  readonly node: string
  readonly clusterId: string
  readonly origin: string
  readonly paths: readonly Path[]
  readonly maxBatchBytes: number
}

export interface WelcomeMessage {
  readonly version: number
  readonly dc: string
  readonly node: string
  readonly clusterId: string
  readonly paths: readonly Path[]
  readonly maxChannels: number
}

/** One message of a catalog; the last one of a row is not `continued`. */
export interface CatalogMessage {
  readonly topics: readonly CatalogTopic[]
  readonly removed: readonly string[]
  readonly full: boolean
  readonly continued: boolean
}

/** A frame as one gRPC message: `batches` are runs of whole batches, or pieces of one batch (see `continued`). */
export interface FramePiece extends FrameMessage {
  readonly continued: boolean
}

export type TargetSays =
  | { readonly kind: 'hello'; readonly hello: HelloMessage }
  | { readonly kind: 'open'; readonly open: OpenRequest }
  | { readonly kind: 'close'; readonly channel: number }
  | { readonly kind: 'credit'; readonly lane: number; readonly bytes: number }
  | { readonly kind: 'ack'; readonly channel: number; readonly next: number }
  | { readonly kind: 'ping'; readonly number: number }
  /** A variant of a later version: ignored. */
  | { readonly kind: 'unknown' }

export type SourceSays =
  | { readonly kind: 'welcome'; readonly welcome: WelcomeMessage }
  | { readonly kind: 'catalog'; readonly catalog: CatalogMessage }
  | { readonly kind: 'opened'; readonly opened: OpenedMessage }
  | { readonly kind: 'frame'; readonly frame: FramePiece }
  | { readonly kind: 'progress'; readonly progress: ProgressMessage }
  | { readonly kind: 'closed'; readonly closed: ClosedMessage }
  | { readonly kind: 'pong'; readonly number: number }
  /** A variant of a later version: ignored. */
  | { readonly kind: 'unknown' }
