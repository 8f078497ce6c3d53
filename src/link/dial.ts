import type { ChannelCredentials } from '@grpc/grpc-js'
import type { Clock, Component } from '../component.ts'
import { GatewayError, messageOf } from '../errors.ts'
import { DEFAULT_MAX_BATCH_BYTES } from '../route/batch-limits.ts'
import type { PeerIdentity } from '../route/pull.ts'
import { type DialAddress, dialAddresses, dialOrder, type PeerAddress, type Resolve, resolveHost } from './addresses.ts'
import type { BreakerStatus, PeerBreaker } from './breaker.ts'
import { PROBE_EVERY_MS } from './limits.ts'
import { openSession } from './open-session.ts'
import type { KnownClusters, LinkListener, LinkLog, LinkProgress, SessionObserver } from './ports.ts'
import type { SessionCounters, TargetSession } from './target-session.ts'

export interface LinkOptions {
  /** The data center that is dialled: the origin itself, or a relay. */
  readonly peer: string
  readonly addresses: readonly PeerAddress[]
  readonly origin: string
  /** Shared by all links to this peer. */
  readonly breaker: PeerBreaker
  readonly listener: LinkListener
  readonly progress: LinkProgress
  /** This node as peers see it; asked at every dial, since paths change. */
  identity(): PeerIdentity
  readonly knownClusters: KnownClusters
  readonly maxReplicationHops: number
  readonly maxBatchBytes?: number
  readonly clock: Clock
  readonly random: () => number
  readonly observer?: SessionObserver
  readonly log: LinkLog
  readonly resolve?: Resolve
  readonly credentials?: ChannelCredentials
}

export type LinkState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'up' }
  /** The peer answers and says no (rules, loop, wrong cluster), with the reason. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No node of the peer can be reached, or its breaker is open. */
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'paused'; readonly reason: string }
  | { readonly kind: 'stopped' }

export interface LinkStatus {
  readonly peer: string
  readonly origin: string
  readonly state: LinkState
  /** Data centers the records pass on their way here, the origin first; empty while no session is up. */
  readonly path: readonly string[]
  readonly address: string | undefined
  readonly node: string | undefined
  readonly breaker: BreakerStatus
  readonly lanesAllowed: number
  readonly channels: number
  readonly roundTripMs: number | undefined
  readonly counters: Readonly<LinkCounters>
}

export interface LinkCounters extends SessionCounters {
  sessionsOpened: number
  dialsFailed: number
  refusals: number
  stalls: number
}

/** One inbound link: keeps one session to some node of the peer, whatever happens. */
export interface PeerLink extends Component {
  readonly status: LinkStatus
  /** Ends the session and dials no more until `resume`. */
  pause(reason: string): void
  resume(): void
}

/** Between passes over all addresses that failed, while the breaker still admits: doubled, jittered. */
const FIRST_RETRY_MS = 100
/** A refusal is a matter of configuration, or of a relay that has no path yet: doubled from the first to the last. */
const FIRST_REFUSED_RETRY_MS = 1_000
const REFUSED_RETRY_MS = 10_000
/** A session that ended sooner than this counts as a failed attempt for the pause before the next. */
const SHORT_SESSION_MS = 1_000
/** In half-open a session that owes nothing is believed after this. */
const PROOF_QUIET_MS = 1_000
const REFUSALS = new Set(['PEER_REFUSED', 'CLUSTER_MISMATCH', 'LOOP_DETECTED'])

type Attempt =
  | { readonly kind: 'session'; readonly session: TargetSession; readonly target: string; proof(): Promise<void> }
  | { readonly kind: 'refused'; readonly error: GatewayError; proof(): Promise<void> }

/** Makes a link. Nothing happens before `start`, which never waits for the peer: a dead one stops nobody. */
export function dialPeer(options: LinkOptions): PeerLink {
  return new DialledLink(options)
}

class DialledLink implements PeerLink {
  readonly name: string
  readonly #options: LinkOptions
  readonly #counters: LinkCounters = {
    sessionsOpened: 0,
    dialsFailed: 0,
    refusals: 0,
    stalls: 0,
    framesReceived: 0,
    batchBytesReceived: 0,
    protocolViolations: 0,
  }
  readonly #stopped = new AbortController()
  #waking = new AbortController()
  #state: LinkState = { kind: 'stopped' }
  #session: TargetSession | undefined
  #lastTarget: string | undefined
  #known: readonly DialAddress[] = []
  #turn: number
  #stallsInRow = 0
  #failuresInRow = 0
  #refusalsInRow = 0
  #running: Promise<void> | undefined
  #unlisten: (() => void) | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.name = `link of ${options.origin} from ${options.peer}`
    this.#turn = Math.floor(options.random() * 1_000)
  }

  async start(): Promise<void> {
    if (this.#running !== undefined || this.#stopped.signal.aborted) return
    const { breaker } = this.#options
    // A pause of before a restart is told before the start.
    if (this.#state.kind !== 'paused') this.#state = { kind: 'connecting' }
    this.#unlisten = breaker.onChange(phase => {
      if (phase.kind === 'open') this.#session?.end(`breaker open: ${phase.reason}`)
      else this.#session?.allowLanes(breaker.lanesAllowed)
    })
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#waking.abort()
    this.#unlisten?.()
    this.#session?.end('this node is stopping')
    await this.#running
    this.#state = { kind: 'stopped' }
  }

  get status(): LinkStatus {
    const session = this.#session
    return {
      peer: this.#options.peer,
      origin: this.#options.origin,
      state: this.#state,
      path: session?.path.via ?? [],
      address: session?.address,
      node: session?.peer.node,
      breaker: this.#options.breaker.status,
      lanesAllowed: session?.lanesAllowed ?? 0,
      channels: session?.channels ?? 0,
      roundTripMs: session?.roundTripMs,
      counters: { ...this.#counters },
    }
  }

  pause(reason: string): void {
    if (this.#stopped.signal.aborted) return
    this.#state = { kind: 'paused', reason }
    this.#session?.end(`paused: ${reason}`)
    this.#wake()
  }

  resume(): void {
    if (this.#state.kind !== 'paused') return
    this.#state = { kind: 'connecting' }
    this.#wake()
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#round()
      } catch (cause) {
        this.#options.log.error({ cause, peer: this.#options.peer }, 'a bug in the link; it goes on after a pause')
        await this.#pauseFor(REFUSED_RETRY_MS)
      }
    }
  }

  async #round(): Promise<void> {
    const { breaker, peer } = this.#options
    if (this.#state.kind === 'paused') return this.#sleepUntilWoken()
    if (!breaker.admits) {
      this.#become({
        kind: 'waiting',
        reason: breaker.status.reason || `the breaker of ${peer} tries another link first`,
      })
      return breaker.change(AbortSignal.any([this.#waking.signal, this.#stopped.signal]))
    }
    // A reason why it is not up stays visible until it is.
    if (this.#state.kind === 'up') this.#become({ kind: 'connecting' })
    let attempt: Attempt
    try {
      attempt = await breaker.attempt(signal => this.#pass(signal))
    } catch (error) {
      this.#become({ kind: 'waiting', reason: messageOf(error) })
      return this.#backOff()
    }
    if (attempt.kind === 'refused') return this.#refused(attempt.error)
    await this.#live(attempt.session, attempt.target)
  }

  /** One pass over all nodes of the peer: the first that welcomes us, or why none does. */
  async #pass(aborted: AbortSignal): Promise<Attempt> {
    const { peer, clock } = this.#options
    const signal = AbortSignal.any([aborted, this.#stopped.signal])
    const addresses = await this.#addresses(signal)
    const failures: GatewayError[] = []
    for (const address of dialOrder(addresses, this.#turn++, this.#lastTarget)) {
      if (signal.aborted || this.#state.kind === 'paused') break
      try {
        const session = await openSession(address, this.#terms(), signal)
        return { kind: 'session', session, target: address.target, proof: () => proofOf(session, clock) }
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        this.#counters.dialsFailed++
        failures.push(error)
      }
    }
    const refusal = failures.find(({ code }) => REFUSALS.has(code))
    if (refusal !== undefined) return { kind: 'refused', error: refusal, proof: async () => {} }
    const reasons = [...new Set(failures.map(({ message }) => message))].join('; ')
    throw new GatewayError('PEER_UNREACHABLE', 'peer', reasons || `${peer} has no address`, {
      cause: failures[0],
    })
  }

  async #addresses(signal: AbortSignal): Promise<readonly DialAddress[]> {
    const { addresses, resolve, breaker, peer } = this.#options
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(breaker.settings.openTimeoutMs)])
    const late = new Promise<never>((_, reject) => {
      timeout.addEventListener('abort', () => reject(new Error('the names of its addresses do not resolve in time')))
    })
    try {
      this.#known = await Promise.race([dialAddresses(addresses, resolve ?? resolveHost), late])
    } catch (cause) {
      // The nodes are probably where they were.
      if (this.#known.length > 0 && !signal.aborted) return this.#known
      const message = `${peer}: ${messageOf(cause)}`
      throw new GatewayError('PEER_UNREACHABLE', 'peer', message, { cause })
    }
    return this.#known
  }

  #terms() {
    const { peer, origin, listener, progress, clock, log, credentials, breaker } = this.#options
    const { knownClusters, maxReplicationHops, maxBatchBytes } = this.#options
    return {
      dialled: peer,
      origin,
      listener,
      progress,
      clock,
      log,
      credentials,
      counters: this.#counters,
      maxBatchBytes: maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES,
      openTimeoutMs: breaker.settings.openTimeoutMs,
      expectations: { ours: this.#options.identity(), knownClusters, maxReplicationHops },
    }
  }

  /** From Welcome to the end of the session. */
  async #live(session: TargetSession, target: string): Promise<void> {
    const { breaker, clock, log, peer, origin, observer } = this.#options
    if (this.#stopped.signal.aborted || this.#state.kind === 'paused') return session.end('not wanted any more')
    const { node } = session.peer
    this.#session = session
    this.#lastTarget = target
    this.#counters.sessionsOpened++
    this.#refusalsInRow = 0
    this.#become({ kind: 'up' })
    const facts = { peer, origin, node, address: session.address }
    observer?.opened(facts)
    const since = clock.monotonicMs()
    session.begin(breaker.lanesAllowed)
    const probe = setInterval(() => this.#probe(session), PROBE_EVERY_MS)
    const { error, standstill } = await session.ended
    clearInterval(probe)
    this.#session = undefined
    observer?.ended(facts, error)
    // Its end by itself is told; that the peer broke the rules needs attention if it repeats.
    if (error.code === 'PEER_PROTOCOL' || error.code === 'INTERNAL')
      log.warn({ ...facts, code: error.code, cause: error.cause }, `session ended: ${error.message}`)
    if (standstill !== undefined) this.#stall(`${session.address}: ${standstill}`)
    if (REFUSALS.has(error.code)) return this.#refused(error)
    if (error.code === 'PEER_PROTOCOL') breaker.stalled(error.message)
    if (clock.monotonicMs() - since >= SHORT_SESSION_MS) this.#failuresInRow = 0
    else await this.#backOff()
  }

  #probe(session: TargetSession): void {
    const reason = session.probe(this.#options.breaker.settings.stalledAfterMs)
    if (reason === undefined) {
      if (session.proven(PROOF_QUIET_MS)) this.#stallsInRow = 0
      return
    }
    session.endStalled(reason)
  }

  /** One node that stands still is replaced; when all have, in a row, it is the peer. */
  #stall(reason: string): void {
    this.#counters.stalls++
    this.#stallsInRow++
    if (this.#stallsInRow >= this.#known.length) this.#options.breaker.stalled(reason)
  }

  async #refused(error: GatewayError): Promise<void> {
    const { observer, peer, origin } = this.#options
    this.#counters.refusals++
    observer?.refused({ origin, peer, node: '', address: '' }, error)
    this.#become({ kind: 'refused', reason: error.message })
    const full = Math.min(REFUSED_RETRY_MS, FIRST_REFUSED_RETRY_MS * 2 ** Math.min(this.#refusalsInRow++, 10))
    await this.#pauseFor(full * (0.5 + this.#options.random() / 2))
  }

  async #backOff(): Promise<void> {
    const { breaker, random } = this.#options
    if (!breaker.admits) return
    const full = Math.min(breaker.settings.retryAfterMs, FIRST_RETRY_MS * 2 ** Math.min(this.#failuresInRow++, 10))
    await this.#pauseFor(full * (0.5 + random() / 2))
  }

  #become(state: LinkState): void {
    if (this.#state.kind !== 'paused' && this.#state.kind !== 'stopped') this.#state = state
  }

  #wake(): void {
    this.#waking.abort()
    this.#waking = new AbortController()
  }

  #sleepUntilWoken(): Promise<void> {
    const signal = AbortSignal.any([this.#waking.signal, this.#stopped.signal])
    return new Promise(resolve => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      if (signal.aborted) resolve()
    })
  }

  async #pauseFor(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms, AbortSignal.any([this.#waking.signal, this.#stopped.signal])).catch(() => {})
  }
}

/** Resolves when the session was seen to work, rejects when it ends first. */
async function proofOf(session: TargetSession, clock: Clock): Promise<void> {
  const over = session.ended.then(({ error }) => error)
  for (;;) {
    if (session.proven(PROOF_QUIET_MS)) return
    const error = await Promise.race([over, clock.sleep(PROBE_EVERY_MS / 2)])
    if (error instanceof GatewayError) throw error
  }
}
