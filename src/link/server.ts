import { status as Code, Server, ServerCredentials } from '@grpc/grpc-js'
import type { Clock, Component } from '../component.ts'
import { GatewayError } from '../errors.ts'
import type { PeerIdentity } from '../route/pull.ts'
import { DEFAULT_BREAKER_SETTINGS } from './breaker-policy.ts'
import { serializeResponse } from './frame-writer.ts'
import {
  DRAIN_MS,
  IDLE_CONNECTION_MS,
  KEEPALIVE_EVERY_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  MAX_SESSIONS,
  PROBE_EVERY_MS,
} from './limits.ts'
import type { KnownClusters, LinkLog, SessionFacts, SessionObserver, SourceSide } from './ports.ts'
import { SlowPeers } from './slow-peers.ts'
import { type PullCall, type ServedBy, ServedSession, type ServedStatus } from './source-session.ts'
import { asStatus } from './status.ts'
import { PULL_METHOD } from './wire.ts'

export interface ReplicationServerOptions {
  /** `port` 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** This node as peers see it; asked at every Hello, since paths change. */
  identity(): PeerIdentity
  /** Is this data center among the configured peers? */
  configured(dc: string): boolean
  readonly source: SourceSide
  readonly knownClusters: KnownClusters
  readonly maxReplicationHops: number
  readonly clock: Clock
  readonly random?: () => number
  readonly observer?: SessionObserver
  readonly log: LinkLog
  /** The door for mutual TLS. Absent: plain text (`tls: none`). */
  readonly credentials?: ServerCredentials
}

/** The port that other data centers dial. */
export interface ReplicationServer extends Component {
  /** The port listened on; 0 before `start`. */
  readonly port: number
  readonly sessions: readonly ServedStatus[]
  readonly counters: Readonly<ServerCounters>
}

export interface ServerCounters {
  sessionsOpened: number
  sessionsRefused: number
  protocolViolations: number
  /** Sessions ended because the target took nothing of what it was sent. */
  sessionsUnread: number
  framesSent: number
  batchBytesSent: number
}

/** Ends that need attention here if they repeat; the others are the peer's affair, or its rules. */
const WORTH_A_WARNING = new Set(['PEER_PROTOCOL', 'INTERNAL'])

/** One warning per cause and address in this time; the counters tell the rest. */
const LOG_AGAIN_MS = 60_000
const LOGGED_CAUSES_MAX = 1_000

/** Serves links to whoever may have them. One session cannot hurt another: each has its own bounded queue. */
export function replicationServer(options: ReplicationServerOptions): ReplicationServer {
  return new PullServer(options)
}

class PullServer implements ReplicationServer, ServedBy {
  readonly name = 'replication server'
  readonly source: SourceSide
  readonly #options: ReplicationServerOptions
  readonly #server: Server
  readonly #open = new Set<ServedSession>()
  readonly #counters: ServerCounters = {
    sessionsOpened: 0,
    sessionsRefused: 0,
    protocolViolations: 0,
    sessionsUnread: 0,
    framesSent: 0,
    batchBytesSent: 0,
  }
  readonly #slow: SlowPeers
  readonly clock: Clock
  #watch: NodeJS.Timeout | undefined
  readonly #loggedAt = new Map<string, number>()
  #stopping = false
  port = 0

  constructor(options: ReplicationServerOptions) {
    this.#options = options
    this.source = options.source
    this.clock = options.clock
    this.#slow = new SlowPeers(DEFAULT_BREAKER_SETTINGS, options.random ?? Math.random)
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
      'grpc.keepalive_time_ms': KEEPALIVE_EVERY_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_connection_idle_ms': IDLE_CONNECTION_MS,
      'grpc.max_concurrent_streams': MAX_SESSIONS,
    })
    this.#server.addService(
      { pull: { ...PULL_METHOD, responseSerialize: serializeResponse } },
      { pull: (call: PullCall) => this.#accept(call) },
    )
  }

  /** Throws GatewayError CONFIG_INVALID when the address cannot be listened on. */
  async start(): Promise<void> {
    const { host, port } = this.#options.listen
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const credentials = this.#options.credentials ?? ServerCredentials.createInsecure()
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, bound) =>
        error ? reject(unbound(address, error)) : resolve(bound),
      )
    })
    this.#watch = setInterval(() => this.#endUnread(), PROBE_EVERY_MS).unref()
    this.#options.log.info({ address: `${host}:${this.port}` }, 'other data centers can connect')
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    clearInterval(this.#watch)
    const stopping = new GatewayError('PEER_UNREACHABLE', 'peer', 'this node is stopping')
    for (const session of this.#open) session.end(stopping)
    const { clock } = this.#options
    const until = clock.monotonicMs() + Math.min(DRAIN_MS, deadlineMs)
    const POLL_MS = 10
    while ([...this.#open].some(session => !session.drained) && clock.monotonicMs() < until) await clock.sleep(POLL_MS)
    // The reason is on its way to the targets: a forced end would overtake it.
    const closed = new Promise<void>(resolve => this.#server.tryShutdown(() => resolve()))
    await Promise.race([closed, clock.sleep(Math.max(0, until - clock.monotonicMs()))])
    this.#server.forceShutdown()
  }

  get sessions(): readonly ServedStatus[] {
    return [...this.#open].map(session => session.status)
  }

  get counters(): Readonly<ServerCounters> {
    const total = { ...this.#counters }
    for (const { status } of this.#open) {
      total.framesSent += status.framesSent
      total.batchBytesSent += status.batchBytesSent
    }
    return total
  }

  expectations() {
    const { knownClusters, maxReplicationHops } = this.#options
    return { ours: this.#options.identity(), knownClusters, maxReplicationHops }
  }

  configured(dc: string): boolean {
    return this.#options.configured(dc)
  }

  admit(dc: string): void {
    const pauseMs = this.#slow.pauseMs(dc, this.clock.monotonicMs())
    if (pauseMs > 0)
      throw new GatewayError(
        'PEER_UNREACHABLE',
        'peer',
        `${dc} did not take what it was sent: next session in ${pauseMs} ms`,
      )
  }

  welcomed(session: ServedSession): void {
    this.#counters.sessionsOpened++
    this.#options.observer?.opened(session.status)
  }

  ended(session: ServedSession, error: GatewayError | undefined): void {
    const { status } = session
    if (error?.code === 'PEER_PROTOCOL') this.#counters.protocolViolations++
    if (status.peer !== '') this.#options.observer?.ended(status, error)
    else if (error !== undefined) this.#refuse(status, error)
    if (error === undefined || !WORTH_A_WARNING.has(error.code)) return
    const { peer, node, origin, address } = status
    const fields = { peer, node, origin, address, code: error.code, hint: error.hint, cause: error.cause }
    if (this.#firstFor(`${hostOf(address)} ${error.code} ${error.message}`))
      this.#options.log.warn(fields, `session ended: ${error.message}`)
  }

  gone(session: ServedSession): void {
    if (!this.#open.delete(session)) return
    const { framesSent, batchBytesSent } = session.status
    this.#counters.framesSent += framesSent
    this.#counters.batchBytesSent += batchBytesSent
  }

  #endUnread(): void {
    const now = this.clock.monotonicMs()
    for (const session of this.#open) {
      const { peer } = session.status
      if (session.unread) {
        this.#counters.sessionsUnread++
        this.#slow.stalled(peer, now)
        this.#options.log.warn({ peer }, `${peer} does not take what it is sent; it is left alone for a while`)
        session.endUnread()
      } else if (session.taking) this.#slow.took(peer, now)
    }
  }

  #accept(call: PullCall): void {
    const refusal = this.#stopping
      ? { error: new GatewayError('PEER_UNREACHABLE', 'peer', 'this node is stopping'), code: Code.UNAVAILABLE }
      : this.#open.size >= MAX_SESSIONS
        ? { error: tooMany(), code: Code.RESOURCE_EXHAUSTED }
        : undefined
    if (refusal === undefined) {
      this.#open.add(new ServedSession(call, this))
      return
    }
    this.#refuse({ origin: '', peer: '', node: '', address: call.getPeer() }, refusal.error)
    call.emit('error', asStatus(refusal.error, refusal.code))
  }

  #refuse(session: SessionFacts, error: GatewayError): void {
    this.#counters.sessionsRefused++
    this.#options.observer?.refused(session, error)
  }

  #firstFor(cause: string): boolean {
    const now = this.#options.clock.monotonicMs()
    const last = this.#loggedAt.get(cause)
    if (last !== undefined && now - last < LOG_AGAIN_MS) return false
    if (this.#loggedAt.size >= LOGGED_CAUSES_MAX) this.#loggedAt.clear()
    this.#loggedAt.set(cause, now)
    return true
  }
}

function hostOf(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')))
}

function tooMany(): GatewayError {
  return new GatewayError('PEER_REFUSED', 'peer', `${MAX_SESSIONS} sessions are open at this node already`)
}

function unbound(address: string, cause: Error): GatewayError {
  return new GatewayError('CONFIG_INVALID', 'process', `cannot listen on ${address}: ${cause.message}`, {
    cause,
    hint: 'change listen.replication, or stop what uses the port',
  })
}
