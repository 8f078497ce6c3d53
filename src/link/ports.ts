import type { GatewayError } from '../errors.ts'
import type {
  CatalogTopic,
  ClosedMessage,
  FrameMessage,
  OpenedMessage,
  OpenRequest,
  PeerIdentity,
  ProgressMessage,
} from '../route/pull.ts'

// ---- source half: what the gRPC server needs of egress --------------------------------------------------------

/** Where egress puts what goes to the peer. `written` is called when the bytes were handed to the socket or dropped. */
export interface FrameSink {
  catalog(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void
  opened(message: OpenedMessage): void
  /** False: stop cutting frames until `onDrain`. */
  frame(message: FrameMessage, written: () => void): boolean
  progress(message: ProgressMessage): void
  closed(message: ClosedMessage): void
  onDrain(listener: () => void): void
}

/** One session as egress sees it. Every call is quick and never throws. */
export interface SourceSession {
  open(request: OpenRequest): void
  close(channel: number): void
  /** Absolute and monotone: the peer may be sent this many batch bytes of the lane since the session began. */
  credit(lane: number, absoluteBytes: number): void
  /** Everything below `next` of the channel is safe at the target. */
  ack(channel: number, next: number): void
  end(reason: string): void
}

export interface SourceSide {
  /** Throws GatewayError PEER_REFUSED / LOOP_DETECTED / CLUSTER_MISMATCH when this peer may not fetch this origin here. */
  accept(peer: PeerIdentity, origin: string, sink: FrameSink): SourceSession
}

// ---- target half: what ingest gets ------------------------------------------------------------------------------

/** One open session to a node of a peer, for one link. All calls are fire-and-forget. */
export interface PullSession {
  readonly peer: PeerIdentity
  readonly origin: string
  readonly address: string
  open(request: OpenRequest): void
  close(channel: number): void
  credit(lane: number, absoluteBytes: number): void
  ack(channel: number, next: number): void
}

/** What ingest does with a link. Called in order; `down` is the last call for a session. */
export interface LinkListener {
  /** `lanesAllowed`: in half-open and slow start only so many lanes may be opened; `lanes` raises it later. */
  up(session: PullSession, lanesAllowed: number): void
  lanes(session: PullSession, lanesAllowed: number): void
  catalog(session: PullSession, topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void
  opened(session: PullSession, message: OpenedMessage): void
  frame(session: PullSession, message: FrameMessage): void
  progress(session: PullSession, message: ProgressMessage): void
  closed(session: PullSession, message: ClosedMessage): void
  down(session: PullSession, reason: string): void
}

/** For the progress probe: bytes asked for and not arrived, or asked-for channels without an answer, and since when nothing moved. */
export interface LinkProgress {
  outstanding(): boolean
  lastMovedMonotonicMs(): number
}

// ---- what both halves need of the rest of the gateway --------------------------------------------------------------

/** Which cluster.id each data center had. Kept over restarts by whoever implements it. */
export interface KnownClusters {
  get(dc: string): string | undefined
  /** Called once the checks of a first session have passed. */
  remember(dc: string, clusterId: string): void
}

/** One session, at either of its ends. */
export interface SessionFacts {
  readonly origin: string
  /** Data center and node at the other end; empty where it did not get to say who it is. */
  readonly peer: string
  readonly node: string
  readonly address: string
}

/** What operators want to know of sessions. Calls are quick and never throw. */
export interface SessionObserver {
  opened(session: SessionFacts): void
  /** Of a session that was opened. `error` undefined: the other end hung up. */
  ended(session: SessionFacts, error: GatewayError | undefined): void
  /** One of the two said no, so that there was no session. */
  refused(session: SessionFacts, error: GatewayError): void
}

/** The part of a pino logger that the link uses. */
export interface LinkLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
