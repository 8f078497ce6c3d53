import { status as Code, type ServerDuplexStream } from '@grpc/grpc-js'
import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import type { Path } from '../route/pull.ts'
import { decodeRequest } from './codec.ts'
import type { QueuedFrame } from './frame-writer.ts'
import { chooseVersion, type Expectations, judgeHello } from './handshake.ts'
import { HELLO_DEADLINE_MS, MAX_CHANNELS, MAX_LANES, UNREAD_AFTER_MS } from './limits.ts'
import type { HelloMessage, TargetSays } from './messages.ts'
import type { SourceSession, SourceSide } from './ports.ts'
import { SourceSink } from './source-sink.ts'
import { asStatus } from './status.ts'

export type PullCall = ServerDuplexStream<Buffer, Buffer | QueuedFrame>

/** What a session needs of the server it belongs to. */
export interface ServedBy {
  readonly clock: Clock
  expectations(): Expectations
  configured(dc: string): boolean
  readonly source: SourceSide
  /** Throws GatewayError when this peer may have no session now. */
  admit(dc: string): void
  /** After the checks. */
  welcomed(session: ServedSession): void
  /** Once, whatever ended it. `error` undefined: the target hung up. */
  ended(session: ServedSession, error: GatewayError | undefined): void
  /** The stream is gone and with it every byte that was queued. */
  gone(session: ServedSession): void
}

export interface ServedStatus {
  readonly peer: string
  readonly node: string
  readonly origin: string
  readonly address: string
  readonly path: readonly string[]
  /** Unix ms. */
  readonly sinceMs: number
  readonly channels: number
  readonly queuedBytes: number
  readonly framesSent: number
  readonly batchBytesSent: number
}

type Phase =
  | { readonly kind: 'awaiting-hello'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'open'; readonly session: SourceSession }
  | { readonly kind: 'ended' }

/** The source's end of one Pull stream: guards egress from what a target may not say, and holds the sink. */
export class ServedSession {
  readonly #call: PullCall
  readonly #server: ServedBy
  readonly #sink: SourceSink
  readonly #address: string
  readonly #channels = new Set<number>()
  readonly #lanes = new Set<number>()
  #highestChannel = 0
  #hello: HelloMessage | undefined
  #path: Path | undefined
  readonly #sinceMs = Date.now()
  #phase: Phase

  constructor(call: PullCall, server: ServedBy) {
    this.#call = call
    this.#server = server
    this.#address = call.getPeer()
    this.#sink = new SourceSink(
      call,
      {
        closed: channel => this.#channels.delete(channel),
        overflow: () => this.end(unread(), Code.DEADLINE_EXCEEDED),
      },
      () => server.clock.monotonicMs(),
    )
    const timer = setTimeout(() => this.end(noHello(this.#address), Code.DEADLINE_EXCEEDED), HELLO_DEADLINE_MS)
    this.#phase = { kind: 'awaiting-hello', timer }
    call.on('data', (bytes: Buffer) => this.#receive(bytes))
    call.on('end', () => this.#hungUp())
    call.on('cancelled', () => this.#cancelled())
    call.on('close', () => this.#server.gone(this))
  }

  get status(): ServedStatus {
    return {
      peer: this.#hello?.dc ?? '',
      node: this.#hello?.node ?? '',
      origin: this.#hello?.origin ?? '',
      address: this.#address,
      path: this.#path?.via ?? [],
      sinceMs: this.#sinceMs,
      channels: this.#channels.size,
      queuedBytes: this.#sink.queuedBytes,
      framesSent: this.#sink.framesWritten,
      batchBytesSent: this.#sink.batchBytesWritten,
    }
  }

  get drained(): boolean {
    return this.#sink.idle
  }

  /** Has the target taken nothing of what waits for it for too long? */
  get unread(): boolean {
    if (this.#phase.kind !== 'open' || this.#sink.idle) return false
    return this.#server.clock.monotonicMs() - this.#sink.lastTakenMs >= UNREAD_AFTER_MS
  }

  /** Is it open, and has it taken records? */
  get taking(): boolean {
    return this.#phase.kind === 'open' && this.#sink.batchBytesWritten > 0
  }

  endUnread(): void {
    this.end(unread(), Code.DEADLINE_EXCEEDED)
  }

  /** Ends the session with a status the target understands. Safe to call twice. */
  end(error: GatewayError, code?: Code): void {
    if (!this.#finish(error)) return
    this.#sink.end()
    this.#call.emit('error', asStatus(error, code))
  }

  #receive(bytes: Buffer): void {
    if (this.#phase.kind === 'ended') return
    try {
      this.#handle(decodeRequest(bytes))
    } catch (error) {
      this.end(error instanceof GatewayError ? error : bug(error))
    }
  }

  #handle(says: TargetSays): void {
    if (this.#phase.kind === 'awaiting-hello') {
      if (says.kind !== 'hello') throw violation(`${says.kind} before Hello`)
      this.#welcome(says.hello, this.#phase.timer)
      return
    }
    if (this.#phase.kind !== 'open') return
    const { session } = this.#phase
    switch (says.kind) {
      case 'open':
        if (this.#admit(says.open.channel, says.open.lane)) session.open(says.open)
        return
      case 'close':
        this.#known(says.channel)
        session.close(says.channel)
        return
      case 'credit':
        if (this.#admitLane(says.lane)) session.credit(says.lane, says.bytes)
        return
      case 'ack':
        this.#known(says.channel)
        session.ack(says.channel, says.next)
        return
      case 'ping':
        this.#sink.say({ kind: 'pong', number: says.number })
        return
      case 'hello':
        throw violation('a second Hello')
      case 'unknown':
        return
    }
  }

  #welcome(hello: HelloMessage, timer: NodeJS.Timeout): void {
    const expectations = this.#server.expectations()
    const { ours, knownClusters } = expectations
    const version = chooseVersion(hello)
    const path = judgeHello(hello, expectations, dc => this.#server.configured(dc))
    this.#server.admit(hello.dc)
    const { dc, node, clusterId, paths, origin } = hello
    this.#sink.say({
      kind: 'welcome',
      welcome: {
        version,
        dc: ours.dc,
        node: ours.node,
        clusterId: ours.clusterId,
        paths: ours.paths,
        maxChannels: MAX_CHANNELS,
      },
    })
    const session = this.#server.source.accept({ dc, node, clusterId, paths }, origin, this.#sink)
    clearTimeout(timer)
    knownClusters.remember(dc, clusterId)
    this.#hello = hello
    this.#path = path
    this.#phase = { kind: 'open', session }
    this.#sink.uncork()
    this.#server.welcomed(this)
  }

  #admit(channel: number, lane: number): boolean {
    if (channel <= this.#highestChannel) throw violation(`channel ${channel} again`)
    if (this.#channels.size >= MAX_CHANNELS) return this.#refuse(`more than ${MAX_CHANNELS} channels in one session`)
    if (!this.#admitLane(lane)) return false
    this.#highestChannel = channel
    this.#channels.add(channel)
    return true
  }

  #admitLane(lane: number): boolean {
    this.#lanes.add(lane)
    return this.#lanes.size <= MAX_LANES || this.#refuse(`more than ${MAX_LANES} lanes in one session`)
  }

  #refuse(what: string): false {
    this.end(new GatewayError('PEER_PROTOCOL', 'peer', what), Code.RESOURCE_EXHAUSTED)
    return false
  }

  /** A channel that egress has closed meanwhile is fine: the two messages crossed. */
  #known(channel: number): void {
    if (channel > this.#highestChannel) throw violation(`channel ${channel}, which was never opened`)
  }

  #hungUp(): void {
    this.#finish(undefined)
    this.#sink.end()
    this.#call.end()
  }

  #cancelled(): void {
    this.#finish(undefined)
    this.#sink.abandon()
    this.#server.gone(this)
  }

  /** First one wins; egress hears of the end exactly once. */
  #finish(error: GatewayError | undefined): boolean {
    const phase = this.#phase
    if (phase.kind === 'ended') return false
    if (phase.kind === 'awaiting-hello') clearTimeout(phase.timer)
    this.#phase = { kind: 'ended' }
    if (phase.kind === 'open') phase.session.end(error?.message ?? `${this.status.peer} hung up`)
    this.#server.ended(this, error)
    return true
  }
}

function violation(what: string): GatewayError {
  return new GatewayError('PEER_PROTOCOL', 'peer', `the target sent ${what}`)
}

function noHello(address: string): GatewayError {
  return new GatewayError('PEER_PROTOCOL', 'peer', `no Hello from ${address} within ${HELLO_DEADLINE_MS} ms`)
}

function unread(): GatewayError {
  return new GatewayError('PEER_UNREACHABLE', 'peer', 'the target does not take what it is sent')
}

function bug(error: unknown): GatewayError {
  return new GatewayError('INTERNAL', 'peer', 'a bug in the gateway ended the session', { cause: error })
}
