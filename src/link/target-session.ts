import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import type { CatalogTopic, OpenRequest, Path, PeerIdentity } from '../route/pull.ts'
import { decodeResponse } from './codec.ts'
import { batchBytes } from './frame-check.ts'
import { MAX_CATALOG_TOPICS, PING_EVERY_MS } from './limits.ts'
import type { CatalogMessage, FramePiece, SourceSays, WelcomeMessage } from './messages.ts'
import type { LinkListener, LinkLog, LinkProgress, PullSession } from './ports.ts'
import { proves, type Signs, standstill } from './progress-probe.ts'
import { fromStatus } from './status.ts'
import { type Received, TargetChannels } from './target-channels.ts'
import { TargetOutbox } from './target-outbox.ts'

export type PullStream = ClientDuplexStream<Buffer, Buffer>

export interface SessionCounters {
  framesReceived: number
  batchBytesReceived: number
  protocolViolations: number
}

export interface SessionTerms {
  readonly dialled: string
  readonly origin: string
  readonly address: string
  readonly path: Path
  readonly welcome: WelcomeMessage
  readonly maxBatchBytes: number
  readonly listener: LinkListener
  readonly progress: LinkProgress
  readonly counters: SessionCounters
  readonly clock: Clock
  readonly log: LinkLog
}

/** How a session ended. `standstill`: in words, when the peer had not moved or not answered before. */
export interface SessionEnd {
  readonly error: GatewayError
  readonly standstill: string | undefined
}

/** A connection that breaks after so long without an answer was dead before. */
const SILENT_BEFORE_END_MS = 2 * PING_EVERY_MS

/** The target's end of one Pull stream, from Welcome on: what ingest speaks to, and what watches the source. */
export class TargetSession implements PullSession {
  readonly peer: PeerIdentity
  readonly origin: string
  readonly address: string
  readonly path: Path
  /** Resolves once, when the session is over and `down` was called. */
  readonly ended: Promise<SessionEnd>
  readonly #stream: PullStream
  readonly #terms: SessionTerms
  readonly #channels: TargetChannels
  readonly #outbox: TargetOutbox
  readonly #upSinceMs: number
  #resolveEnded!: (end: SessionEnd) => void
  #over = false
  #announced = false
  #lanesAllowed = 0
  #lastReceivedMs: number
  #pingNumber = 0
  #pingSentMs: number | undefined
  #lastPingMs: number
  #catalog: { topics: CatalogTopic[]; full: boolean } | undefined
  roundTripMs: number | undefined

  constructor(stream: PullStream, terms: SessionTerms) {
    const { dc, node, clusterId, paths } = terms.welcome
    this.peer = { dc, node, clusterId, paths }
    this.origin = terms.origin
    this.address = terms.address
    this.path = terms.path
    this.#stream = stream
    this.#terms = terms
    this.#channels = new TargetChannels(terms.maxBatchBytes)
    this.#outbox = new TargetOutbox(stream)
    this.#upSinceMs = terms.clock.monotonicMs()
    this.#lastReceivedMs = this.#upSinceMs
    this.#lastPingMs = this.#upSinceMs
    this.ended = new Promise(resolve => {
      this.#resolveEnded = resolve
    })
    stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    stream.on('error', (error: ServiceError) => this.#finish(fromStatus(error, terms.dialled, terms.address)))
    stream.on('end', () => this.#finish(this.#error('the source ended the session')))
  }

  /** Tells ingest and begins to read. */
  begin(lanesAllowed: number): void {
    if (this.#over) return
    this.#announced = true
    this.#lanesAllowed = lanesAllowed
    this.#guarded(() => this.#terms.listener.up(this, lanesAllowed))
    this.#stream.resume()
  }

  allowLanes(lanesAllowed: number): void {
    if (this.#over || lanesAllowed === this.#lanesAllowed || lanesAllowed === 0) return
    this.#lanesAllowed = lanesAllowed
    this.#guarded(() => this.#terms.listener.lanes(this, lanesAllowed))
  }

  get lanesAllowed(): number {
    return this.#lanesAllowed
  }

  get channels(): number {
    return this.#channels.size
  }

  open(request: OpenRequest): void {
    if (this.#over) return
    const { maxChannels } = this.#terms.welcome
    if (this.#channels.size >= maxChannels) {
      const message = `${this.peer.node} takes at most ${maxChannels} channels in one session`
      const closed = { channel: request.channel, reason: 'source-unavailable' as const, message }
      queueMicrotask(() => this.#guarded(() => this.#terms.listener.closed(this, closed)))
      return
    }
    this.#channels.open(request)
    this.#outbox.say({ kind: 'open', open: request })
  }

  close(channel: number): void {
    if (this.#over || !this.#channels.close(channel)) return
    this.#outbox.forgetAck(channel)
    this.#outbox.say({ kind: 'close', channel })
  }

  credit(lane: number, absoluteBytes: number): void {
    if (this.#over) return
    const total = this.#channels.credit(lane, absoluteBytes)
    if (total !== undefined) this.#outbox.credit(lane, total)
  }

  ack(channel: number, next: number): void {
    if (!this.#over) this.#outbox.ack(channel, next)
  }

  /** Ends the session from this side. */
  end(reason: string): void {
    this.#finish(this.#error(reason))
  }

  /** Ends it because it stands still: the node or the way to it is not to be trusted. */
  endStalled(reason: string): void {
    this.#finish(this.#error(`stands still: ${reason}`), reason)
  }

  /** Why the session counts as standing still; undefined while it does not. Also sends the next ping when it is due. */
  probe(stalledAfterMs: number): string | undefined {
    const nowMs = this.#terms.clock.monotonicMs()
    if (this.#pingSentMs === undefined && nowMs - this.#lastPingMs >= PING_EVERY_MS) {
      this.#pingSentMs = nowMs
      this.#lastPingMs = nowMs
      this.#outbox.say({ kind: 'ping', number: ++this.#pingNumber })
    }
    return standstill(this.#signs(nowMs, stalledAfterMs))
  }

  /** Has the session been seen to work since it began? */
  proven(quietMs: number): boolean {
    return proves(this.#signs(this.#terms.clock.monotonicMs(), 0), this.#upSinceMs, quietMs)
  }

  #signs(nowMs: number, stalledAfterMs: number): Signs {
    const { progress } = this.#terms
    return {
      lastReceivedMs: this.#lastReceivedMs,
      unansweredPingMs: this.#pingSentMs,
      outstanding: progress.outstanding(),
      lastMovedMs: Math.max(progress.lastMovedMonotonicMs(), this.#upSinceMs),
      nowMs,
      stalledAfterMs,
    }
  }

  #receive(bytes: Buffer): void {
    if (this.#over) return
    this.#lastReceivedMs = this.#terms.clock.monotonicMs()
    this.#guarded(() => this.#handle(decodeResponse(bytes)))
  }

  #handle(says: SourceSays): void {
    const { listener } = this.#terms
    switch (says.kind) {
      case 'frame':
        this.#frame(says.frame)
        return
      case 'progress':
        this.#deliver(this.#channels.progress(says.progress), message => listener.progress(this, message))
        return
      case 'opened':
        this.#deliver(this.#channels.opened(says.opened), message => listener.opened(this, message))
        return
      case 'closed':
        this.#outbox.forgetAck(says.closed.channel)
        this.#deliver(this.#channels.closed(says.closed), message => listener.closed(this, message))
        return
      case 'catalog':
        this.#takeCatalog(says.catalog)
        return
      case 'pong':
        this.#pong(says.number)
        return
      case 'welcome':
        throw new GatewayError('PEER_PROTOCOL', 'peer', 'the source sent a second Welcome')
      case 'unknown':
        return
    }
  }

  #frame(piece: FramePiece): void {
    const { counters, listener } = this.#terms
    counters.framesReceived++
    counters.batchBytesReceived += batchBytes(piece)
    const received = this.#channels.frame(piece)
    this.#deliver(received, message => listener.frame(this, message))
    if (received.kind === 'deliver') return
    const total = this.#channels.lanesToRefresh(received.lane)
    if (total !== undefined) this.#outbox.credit(received.lane, total)
  }

  #deliver<T>(received: Received<T>, to: (message: T) => void): void {
    if (received.kind === 'deliver') to(received.message)
    if (received.kind !== 'broken') return
    const { counters, log, listener } = this.#terms
    counters.protocolViolations++
    const { channel } = received.closed
    log.error(
      { peer: this.peer.dc, node: this.peer.node, origin: this.origin, channel, code: received.error.code },
      `a channel of ${this.origin} is closed: ${received.error.message}`,
    )
    this.#outbox.forgetAck(channel)
    this.#outbox.say({ kind: 'close', channel })
    listener.closed(this, received.closed)
  }

  #takeCatalog(message: CatalogMessage): void {
    const catalog = this.#catalog ?? { topics: [], full: message.full }
    if (catalog.topics.length + message.topics.length > MAX_CATALOG_TOPICS)
      throw new GatewayError(
        'PEER_PROTOCOL',
        'peer',
        `the source sent a catalog of more than ${MAX_CATALOG_TOPICS} topics`,
      )
    for (const topic of message.topics) catalog.topics.push(topic)
    this.#catalog = message.continued ? catalog : undefined
    if (!message.continued) this.#terms.listener.catalog(this, catalog.topics, message.removed, catalog.full)
  }

  #pong(number: number): void {
    if (number !== this.#pingNumber || this.#pingSentMs === undefined) return
    this.roundTripMs = this.#lastReceivedMs - this.#pingSentMs
    this.#pingSentMs = undefined
  }

  /** A violation ends the session; so does a bug in what is called, which must not take the process with it. */
  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'PEER_PROTOCOL') this.#terms.counters.protocolViolations++
      if (error instanceof GatewayError) this.#finish(error)
      else
        this.#finish(new GatewayError('INTERNAL', 'peer', 'a bug in the gateway ended the session', { cause: error }))
    }
  }

  #finish(error: GatewayError, stalled?: string): void {
    if (this.#over) return
    this.#over = true
    this.#outbox.end()
    this.#stream.cancel()
    const standstill = stalled ?? (this.#silentMs >= SILENT_BEFORE_END_MS ? `no answer: ${error.message}` : undefined)
    if (this.#announced) {
      try {
        this.#terms.listener.down(this, error.message)
      } catch (cause) {
        this.#terms.log.error({ cause, peer: this.peer.dc }, 'a bug: the end of a session could not be handled')
      }
    }
    this.#resolveEnded({ error, standstill })
  }

  /** How long the peer has said nothing although it was asked. */
  get #silentMs(): number {
    if (this.#pingSentMs === undefined) return 0
    return this.#terms.clock.monotonicMs() - Math.max(this.#lastReceivedMs, this.#pingSentMs)
  }

  #error(reason: string): GatewayError {
    return new GatewayError('PEER_UNREACHABLE', 'peer', `${this.#terms.dialled} (${this.address}): ${reason}`)
  }
}
