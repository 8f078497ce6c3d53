import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Callback, Reader, type ResponseParser, type Writer } from '@platformatic/kafka'
import { messageOf } from '../errors.ts'
import type { ClusterConfig } from './cluster-config.ts'
import { KafkaFailure } from './failure.ts'
import { FrameAssembler } from './frame.ts'
import type { PauseGuard } from './pause-guard.ts'
import { WireReader, WireWriter } from './wire.ts'

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** Inclusive range of request versions that a broker offers. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** One request in bytes. `done` is called exactly once, never from within `submit`. */
export interface BrokerRequest<T> {
  readonly apiKey: number
  readonly apiVersion: number
  /** Pieces of the body in order; handed to the socket as they are. */
  readonly body: readonly Buffer[]
  /** The request header carries tagged fields (header v2). */
  readonly taggedRequestHeader: boolean
  /** The response header carries tagged fields (header v1); never for ApiVersions. */
  readonly taggedResponseHeader: boolean
  /** From the moment it is the oldest request on the connection: a broker serves one at a time. */
  readonly timeoutMs?: number
  readonly maxResponseBytes?: number
  /** Where the response goes, by default a fresh buffer. */
  allocate?(bytes: number): Buffer
  parse(body: Buffer): T
  done(failure: KafkaFailure | undefined, value: T | undefined): void
}

interface Outstanding {
  readonly request: BrokerRequest<unknown>
  readonly correlationId: number
}

export const CONNECT_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 30_000
/** More would mean that somebody repeats without waiting; metadata and groups of takeovers stay far below. */
const MAX_OUTSTANDING_REQUESTS = 2_000
/** Metadata of 100,000 partitions has about 6 MB. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024
const CORRELATION_MASK = 0x7fffffff
const SMALL_RESPONSE_BYTES = 4 * 1024

/**
 * One socket to one broker. Frames are received straight into their own buffer; requests are answered in order.
 * Whatever goes wrong (socket, time-out, a length or correlation id that cannot be) ends the connection: every
 * outstanding request then fails as ambiguous, and the connection stays closed. It never throws and emits nothing.
 */
export class BrokerConnection {
  readonly address: BrokerAddress
  /** Filled by the handshake. */
  versions: ReadonlyMap<number, VersionRange> = new Map()
  private readonly clientId: string
  private readonly guard: PauseGuard
  private readonly socket: Socket
  private readonly outstanding: Outstanding[] = []
  private readonly closeListeners = new Set<(failure: KafkaFailure) => void>()
  private readonly frames: FrameAssembler
  private state: { kind: 'open' } | { kind: 'retired' } | { kind: 'closed'; failure: KafkaFailure } = { kind: 'open' }
  private correlationId = 0
  private answered: { readonly request: BrokerRequest<unknown>; readonly value: unknown } | undefined
  private headSinceMs = 0
  private mutedUntilMs = 0
  private readonly stopTick: () => void
  private readonly stopPause: () => void

  /** Starts to connect; `connected` or a close follows. Use `openConnection` (handshake.ts) outside of tests. */
  constructor(address: BrokerAddress, config: ClusterConfig, guard: PauseGuard, connected: () => void) {
    this.address = address
    this.clientId = config.clientId
    this.guard = guard
    this.frames = new FrameAssembler((correlationId, bytes) => this.beginResponse(correlationId, bytes))
    const onread = {
      buffer: () => this.frames.target() as Buffer<ArrayBuffer>,
      callback: (bytes: number) => this.received(bytes),
    }
    const where = { host: address.host, port: address.port }
    this.socket =
      config.tls === undefined
        ? connectPlain({ ...where, noDelay: true, onread }, connected)
        : connectTls(
            { ...config.tls, ...where, servername: config.tls.servername ?? hostName(address.host), onread } as never,
            connected,
          )
    this.socket.setNoDelay(true)
    this.socket.on('error', error => this.lost(error))
    this.socket.on('close', () => this.lost(undefined))
    this.stopTick = guard.onTick(nowMs => this.checkDeadline(nowMs))
    this.stopPause = guard.onPause(gapMs =>
      this.close(
        new KafkaFailure('ambiguous', 'PROCESS_PAUSED', `this process stood still for ${Math.round(gapMs)} ms`),
      ),
    )
  }

  /** New requests may be sent. */
  get usable(): boolean {
    return this.state.kind === 'open'
  }

  get closedBy(): KafkaFailure | undefined {
    return this.state.kind === 'closed' ? this.state.failure : undefined
  }

  get outstandingRequests(): number {
    return this.outstanding.length
  }

  supports(apiKey: number, version: number): boolean {
    const range = this.versions.get(apiKey)
    return range !== undefined && version >= range.min && version <= range.max
  }

  /** Called once, at once when it is closed already. */
  onClose(listener: (failure: KafkaFailure) => void): void {
    if (this.state.kind === 'closed') listener(this.state.failure)
    else this.closeListeners.add(listener)
  }

  submit<T>(request: BrokerRequest<T>): void {
    const refusal = this.refusal()
    if (refusal !== undefined) {
      queueMicrotask(() => request.done(refusal, undefined))
      return
    }
    this.correlationId = (this.correlationId + 1) & CORRELATION_MASK
    if (this.outstanding.length === 0) this.headSinceMs = Math.max(performance.now(), this.mutedUntilMs)
    this.outstanding.push({ request: request as BrokerRequest<unknown>, correlationId: this.correlationId })
    const header = new WireWriter(64)
    let bytes = 0
    for (const piece of request.body) bytes += piece.length
    header
      .int32(0)
      .int16(request.apiKey)
      .int16(request.apiVersion)
      .int32(this.correlationId)
      .nullableString(this.clientId)
    if (request.taggedRequestHeader) header.noTaggedFields()
    const head = header.cut()
    head.writeInt32BE(head.length - 4 + bytes, 0)
    this.socket.cork()
    this.socket.write(head)
    for (const piece of request.body) this.socket.write(piece)
    this.socket.uncork()
  }

  /**
   * The door through which the codecs and the SASL code of @platformatic/kafka use this connection; the signature is
   * that of its `Connection.send`.
   */
  send<T>(
    apiKey: number,
    apiVersion: number,
    createPayload: () => Writer | Promise<Writer>,
    parser: ResponseParser<T>,
    taggedRequestHeader: boolean,
    taggedResponseHeader: boolean,
    callback: Callback<T>,
  ): void {
    const payload = createPayload() as Writer
    this.submit<{ error: Error } | { value: T }>({
      apiKey,
      apiVersion,
      body: [payload.buffer],
      taggedRequestHeader,
      taggedResponseHeader,
      parse: body => {
        try {
          return { value: parser(0, apiKey, apiVersion, Reader.from(body)) as T }
        } catch (error) {
          // An error code in the answer is a value; anything else means that the bytes were not what they claim to be.
          if ((error as { response?: unknown }).response === undefined) throw error
          return { error: error as Error }
        }
      },
      done: (failure, result) => {
        if (failure !== undefined) callback(failure)
        else if (result !== undefined && 'error' in result) callback(result.error)
        else callback(null, result?.value)
      },
    })
  }

  /** The broker will not read from this connection for so long (KIP-219): time-outs begin afterwards. */
  throttled(throttleTimeMs: number): void {
    if (throttleTimeMs <= 0) return
    this.mutedUntilMs = performance.now() + throttleTimeMs
    this.headSinceMs = Math.max(this.headSinceMs, this.mutedUntilMs)
  }

  /** No new requests; closes when the last answer is in. For sessions that end (KIP-368). */
  retire(): void {
    if (this.state.kind !== 'open') return
    this.state = { kind: 'retired' }
    this.closeIfDrained()
  }

  close(failure: KafkaFailure): void {
    if (this.state.kind === 'closed') return
    this.state = { kind: 'closed', failure }
    this.stopTick()
    this.stopPause()
    this.socket.destroy()
    const failed = this.outstanding.splice(0)
    for (const { request } of failed) request.done(failure, undefined)
    for (const listener of this.closeListeners) listener(failure)
    this.closeListeners.clear()
  }

  private refusal(): KafkaFailure | undefined {
    // A pause closes every connection of the cluster, this one among them.
    this.guard.check()
    if (this.state.kind === 'closed') {
      const { code, message } = this.state.failure
      const kind = code === 'PROCESS_PAUSED' ? 'ambiguous' : 'retriable'
      return new KafkaFailure(kind, code, message, { cause: this.state.failure })
    }
    if (this.state.kind === 'retired')
      return new KafkaFailure('retriable', 'CONNECTION_LOST', 'the connection is retired')
    if (this.outstanding.length >= MAX_OUTSTANDING_REQUESTS) {
      return new KafkaFailure(
        'retriable',
        'CONNECTION_BUSY',
        `${MAX_OUTSTANDING_REQUESTS} requests wait on ${this.name()}`,
      )
    }
    return undefined
  }

  private received(bytes: number): boolean {
    let frame: Buffer | undefined
    try {
      frame = this.frames.advance(bytes)
      if (frame !== undefined) this.answer(frame)
    } catch (error) {
      this.malformed(error)
    }
    // Outside of the try: what a listener throws is a bug of ours and no broken frame.
    this.deliver()
    return this.state.kind !== 'closed'
  }

  private beginResponse(correlationId: number, bytes: number): Buffer {
    const head = this.outstanding[0]
    if (head === undefined || head.correlationId !== correlationId) {
      throw new RangeError(`response ${correlationId} where ${head?.correlationId ?? 'none'} is expected`)
    }
    const limit = head.request.maxResponseBytes ?? MAX_RESPONSE_BYTES
    if (bytes > limit) throw new RangeError(`response of ${bytes} bytes, over the limit of ${limit}`)
    if (head.request.allocate !== undefined) return head.request.allocate(bytes)
    return bytes <= SMALL_RESPONSE_BYTES ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes)
  }

  /** A frame that cannot be parsed fails its own request together with the others: it is still at the head. */
  private answer(frame: Buffer): void {
    const { request } = this.outstanding[0] as Outstanding
    const body = new WireReader(frame)
    if (request.taggedResponseHeader) body.taggedFields()
    const value = request.parse(body.position === 0 ? frame : frame.subarray(body.position))
    this.outstanding.shift()
    this.answered = { request, value }
  }

  private deliver(): void {
    const answered = this.answered
    if (answered === undefined) return
    this.answered = undefined
    this.headSinceMs = Math.max(performance.now(), this.mutedUntilMs)
    answered.request.done(undefined, answered.value)
    this.closeIfDrained()
  }

  private checkDeadline(nowMs: number): void {
    const head = this.outstanding[0]
    if (head === undefined) return
    const timeoutMs = head.request.timeoutMs ?? REQUEST_TIMEOUT_MS
    if (nowMs - this.headSinceMs <= timeoutMs) return
    const what = `no answer from ${this.name()} in ${timeoutMs} ms (request ${head.request.apiKey})`
    this.close(new KafkaFailure('ambiguous', 'REQUEST_TIMED_OUT_LOCALLY', what))
  }

  private closeIfDrained(): void {
    if (this.state.kind !== 'retired' || this.outstanding.length > 0) return
    this.close(new KafkaFailure('retriable', 'CONNECTION_LOST', 'the connection is retired'))
  }

  private malformed(error: unknown): void {
    const message = `${this.name()} sent what is no answer: ${messageOf(error)}`
    this.close(new KafkaFailure('ambiguous', 'MALFORMED_RESPONSE', message + this.tlsHint(), { cause: error }))
  }

  private lost(cause: Error | undefined): void {
    const message = cause === undefined ? `${this.name()} closed the connection` : `${this.name()}: ${cause.message}`
    const failure = new KafkaFailure('ambiguous', 'CONNECTION_LOST', message + this.tlsHint(), { cause, refresh: true })
    this.close(failure)
  }

  private tlsHint(): string {
    return this.frames.looksLikeTls ? ' (a TLS listener, spoken to without TLS?)' : ''
  }

  private name(): string {
    return `broker ${this.address.host}:${this.address.port}`
  }
}

/** SNI takes host names only (RFC 6066, 3). */
function hostName(host: string): string | undefined {
  return /^[\d.]+$|:/.test(host) ? undefined : host
}
