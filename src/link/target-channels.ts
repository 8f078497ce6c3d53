import { GatewayError } from '../errors.ts'
import { CreditLedger } from '../route/credit.ts'
import type {
  ClosedMessage,
  CloseReason,
  FrameMessage,
  OpenedMessage,
  OpenRequest,
  ProgressMessage,
} from '../route/pull.ts'
import { batchBytes, courseFrom, type FrameCourse, takeFrame, takeProgress } from './frame-check.ts'
import type { FramePiece } from './messages.ts'

type Channel =
  | { readonly kind: 'opening'; readonly lane: number; readonly request: OpenRequest }
  | { readonly kind: 'open'; readonly lane: number; readonly course: FrameCourse }
  /** We are through with it; what the source had sent before it knew is still on its way. */
  | { readonly kind: 'closing'; readonly lane: number }

/** What becomes of a message of a channel. */
export type Received<T> =
  | { readonly kind: 'deliver'; readonly message: T }
  /** A piece of more, or something of a channel that is closing. */
  | { readonly kind: 'nothing' }
  /** The channel is of no use any more: it is to be closed at the source, and ingest told. */
  | { readonly kind: 'broken'; readonly error: GatewayError; readonly closed: ClosedMessage }

/**
 * The channels of one session at the target, and the credit of their lanes. Everything that arrives is held against
 * what was asked for. Throws GatewayError PEER_PROTOCOL with scope `peer` where the session can no longer be trusted.
 */
export class TargetChannels {
  readonly #channels = new Map<number, Channel>()
  readonly #ledger = new CreditLedger()
  /** Per lane: bytes that arrived for nobody. Ingest never sees them, so they are given back on top of its totals. */
  readonly #droppedBytes = new Map<number, number>()
  readonly #asked = new Map<number, number>()
  readonly #maxBatchBytes: number

  constructor(maxBatchBytes: number) {
    this.#maxBatchBytes = maxBatchBytes
  }

  get size(): number {
    return this.#channels.size
  }

  open(request: OpenRequest): void {
    if (this.#channels.has(request.channel))
      throw new GatewayError('INTERNAL', 'process', `channel ${request.channel} is opened twice`)
    this.#channels.set(request.channel, { kind: 'opening', lane: request.lane, request })
  }

  /** False when there is nothing to close. Nothing of this channel is delivered any more. */
  close(channel: number): boolean {
    const found = this.#channels.get(channel)
    if (found === undefined || found.kind === 'closing') return false
    if (found.kind === 'open' && found.course.partial !== undefined) this.#drop(found.lane, found.course.partial.bytes)
    this.#channels.set(channel, { kind: 'closing', lane: found.lane })
    return true
  }

  /** The total to announce for a lane, or undefined when it is no news. */
  credit(lane: number, absoluteBytes: number): number | undefined {
    this.#asked.set(lane, Math.max(absoluteBytes, this.#asked.get(lane) ?? 0))
    return this.#grant(lane)
  }

  /** Announces again what was dropped of a lane since its last total. */
  lanesToRefresh(lane: number): number | undefined {
    return this.#asked.has(lane) ? this.#grant(lane) : undefined
  }

  opened(message: OpenedMessage): Received<OpenedMessage> {
    const channel = this.#known(message.channel, 'Opened')
    if (channel.kind === 'closing') return { kind: 'nothing' }
    if (channel.kind === 'open') throw violation(`a second Opened of channel ${message.channel}`)
    const { start, topic, partition, topicId } = channel.request
    if (start.kind === 'position' && message.position !== start.offset)
      return this.#break(
        message.channel,
        violation(`position ${message.position} of ${topic}-${partition}, where ${start.offset} was asked for`),
      )
    if (topicId !== undefined && topicId !== message.topicId)
      return this.#break(
        message.channel,
        violation(`topic id ${message.topicId} of ${topic}, where ${topicId} was asked for`),
      )
    this.#channels.set(message.channel, { kind: 'open', lane: channel.lane, course: courseFrom(message.position) })
    return { kind: 'deliver', message }
  }

  frame(piece: FramePiece): Received<FrameMessage> & { readonly lane: number } {
    const channel = this.#known(piece.channel, 'Frame')
    const { lane } = channel
    const bytes = batchBytes(piece)
    const inside = channel.kind === 'open' && channel.course.partial !== undefined
    if (bytes > 0 && !inside && channel.kind !== 'closing' && !this.#ledger.allows(lane))
      throw violation(`${bytes} bytes of lane ${lane}, whose credit of ${this.#ledger.grantedBytes(lane)} is used`)
    this.#ledger.use(lane, bytes)
    if (channel.kind === 'closing') {
      this.#drop(lane, bytes)
      return { kind: 'nothing', lane }
    }
    if (channel.kind === 'opening') throw violation(`a Frame of channel ${piece.channel} before Opened`)
    const { course } = channel
    const heldBytes = course.partial?.bytes ?? 0
    try {
      const message = takeFrame(course, piece, this.#maxBatchBytes)
      return message === undefined ? { kind: 'nothing', lane } : { kind: 'deliver', message, lane }
    } catch (error) {
      course.partial = undefined
      this.#drop(lane, bytes + heldBytes)
      return { ...this.#break(piece.channel, error), lane }
    }
  }

  progress(message: ProgressMessage): Received<ProgressMessage> {
    const channel = this.#known(message.channel, 'Progress')
    if (channel.kind === 'closing') return { kind: 'nothing' }
    if (channel.kind === 'opening') throw violation(`Progress of channel ${message.channel} before Opened`)
    try {
      takeProgress(channel.course, message.next)
      return { kind: 'deliver', message }
    } catch (error) {
      return this.#break(message.channel, error)
    }
  }

  closed(message: ClosedMessage): Received<ClosedMessage> {
    const channel = this.#known(message.channel, 'Closed')
    this.#channels.delete(message.channel)
    if (channel.kind === 'open' && channel.course.partial !== undefined)
      this.#drop(channel.lane, channel.course.partial.bytes)
    return channel.kind === 'closing' ? { kind: 'nothing' } : { kind: 'deliver', message }
  }

  #known(channel: number, what: string): Channel {
    const found = this.#channels.get(channel)
    if (found === undefined) throw violation(`a ${what} of channel ${channel}, which is not open`)
    return found
  }

  #break(channel: number, error: unknown): { kind: 'broken'; error: GatewayError; closed: ClosedMessage } {
    if (!(error instanceof GatewayError)) throw error
    this.close(channel)
    const closed = { channel, reason: reasonFor(error), message: error.message }
    return { kind: 'broken', error, closed }
  }

  #drop(lane: number, bytes: number): void {
    this.#droppedBytes.set(lane, (this.#droppedBytes.get(lane) ?? 0) + bytes)
  }

  #grant(lane: number): number | undefined {
    const total = (this.#asked.get(lane) ?? 0) + (this.#droppedBytes.get(lane) ?? 0)
    return this.#ledger.grant(lane, total) ? total : undefined
  }
}

function reasonFor(error: GatewayError): CloseReason {
  if (error.code === 'BATCH_CORRUPT') return 'corrupt'
  if (error.code === 'BATCH_OLD_FORMAT') return 'old-format'
  if (error.code === 'BATCH_TOO_LARGE') return 'too-large'
  return 'internal'
}

function violation(what: string): GatewayError {
  return new GatewayError('PEER_PROTOCOL', 'peer', `the source sent ${what}`)
}
