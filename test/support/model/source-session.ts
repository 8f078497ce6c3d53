import type { LinkIngest, Session } from '../../../src/ingest/link-ingest.ts'
import type { FrameMessage, OpenRequest } from '../../../src/route/pull.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import type { SourceLog } from './source-log.ts'
import { type VirtualTime, wallMs } from './virtual-time.ts'

interface Channel {
  readonly channel: number
  readonly lane: number
  next: number
}

const LANES_ALLOWED = 16
const MAX_PIECES_IN_A_FRAME = 5

/**
 * One session between an ingest node and an egress node of the origin: in order both ways, until it is cut. The source
 * half behaves as egress does: holes are covered by frames or told as progress, credit bounds what is sent.
 */
export class ModelSession implements Session {
  readonly #link: LinkIngest
  readonly #process: SimulatedProcess
  readonly #source: SourceLog
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #maxDelayMs: number
  readonly #onAck: (next: number) => void
  readonly #channels = new Map<number, Channel>()
  /** At the target: what ingest granted, and what the session itself gave back. */
  readonly #asked = new Map<number, number>()
  readonly #dropped = new Map<number, number>()
  readonly #closedHere = new Set<number>()
  /** At the source. */
  readonly #credit = new Map<number, number>()
  readonly #sent = new Map<number, number>()
  #up = true
  #lastToSourceMs = 0
  #lastToTargetMs = 0

  constructor(
    link: LinkIngest,
    process: SimulatedProcess,
    source: SourceLog,
    world: {
      readonly time: VirtualTime
      readonly random: Random
      readonly maxDelayMs: number
      onAck(next: number): void
    },
  ) {
    this.#link = link
    this.#process = process
    this.#source = source
    this.#time = world.time
    this.#random = world.random
    this.#maxDelayMs = world.maxDelayMs
    this.#onAck = world.onAck
    this.#toTarget(() => this.#link.up(this, LANES_ALLOWED))
    this.#produceLater()
  }

  get up(): boolean {
    return this.#up
  }

  /** The connection breaks: what is on its way is lost, both ends see it. */
  cut(): void {
    if (!this.#up) return
    this.#up = false
    this.#process.reach(() => this.#link.down(this, 'cut'))
  }

  open(request: OpenRequest): void {
    this.#toSource(() => this.#open(request))
  }

  close(channel: number): void {
    this.#closedHere.add(channel)
    this.#toSource(() => this.#channels.delete(channel))
  }

  credit(lane: number, absoluteBytes: number): void {
    this.#asked.set(lane, Math.max(absoluteBytes, this.#asked.get(lane) ?? 0))
    this.#grant(lane)
  }

  #grant(lane: number): void {
    const absoluteBytes = (this.#asked.get(lane) ?? 0) + (this.#dropped.get(lane) ?? 0)
    this.#toSource(() => {
      this.#credit.set(lane, Math.max(absoluteBytes, this.#credit.get(lane) ?? 0))
      this.#pump()
    })
  }

  /** What comes for a channel that was closed meanwhile is dropped, and its credit given back, by the session. */
  #deliver(frame: FrameMessage, lane: number, bytes: number): void {
    if (!this.#closedHere.has(frame.channel)) {
      this.#link.frame(this, frame)
      return
    }
    this.#dropped.set(lane, (this.#dropped.get(lane) ?? 0) + bytes)
    this.#grant(lane)
  }

  ack(_channel: number, next: number): void {
    this.#onAck(next)
  }

  #open({ channel, lane, start, topicId }: OpenRequest): void {
    const { logStart } = this.#source
    const highWatermark = this.#source.highWatermark(this.#time.nowMs)
    const refuse = (reason: 'gap' | 'truncated' | 'topic-recreated', gapFrom?: number, gapTo?: number): void => {
      const message = { channel, reason, message: `simulated ${reason}`, gapFrom, gapTo, topicId: this.#source.topicId }
      this.#toTarget(() => this.#link.closed(this, message))
    }
    if (topicId !== undefined && topicId !== this.#source.topicId) {
      refuse('topic-recreated')
      return
    }
    const position = start.kind === 'position' ? start.offset : start.kind === 'latest' ? highWatermark : logStart
    if (position < logStart) refuse('gap', position, logStart)
    else if (position > highWatermark) refuse('truncated', position, highWatermark)
    else {
      this.#channels.set(channel, { channel, lane, next: position })
      const opened = { channel, topicId: this.#source.topicId, position, logStart, highWatermark }
      this.#toTarget(() => this.#link.opened(this, opened))
      this.#pump()
    }
  }

  #pump(): void {
    for (const channel of this.#channels.values()) while (this.#sendOne(channel)) {}
  }

  /** One frame, or progress over a hole; false when there is nothing or no credit. */
  #sendOne(channel: Channel): boolean {
    const nowMs = this.#time.nowMs
    const ready = this.#source.pieces.filter(piece => piece.next > channel.next && piece.producedAtMs <= nowMs)
    const pieces = ready.slice(0, this.#random.between(1, MAX_PIECES_IN_A_FRAME))
    const last = pieces.at(-1)
    if (last === undefined) return false
    const batches = pieces.flatMap(piece => piece.bytes ?? [])
    const bytes = batches.reduce((sum, batch) => sum + batch.length, 0)
    const sent = this.#sent.get(channel.lane) ?? 0
    if (sent + bytes > (this.#credit.get(channel.lane) ?? 0)) return false
    this.#sent.set(channel.lane, sent + bytes)
    const about = {
      channel: channel.channel,
      next: last.next,
      highWatermark: this.#source.highWatermark(nowMs),
      sourceTimeMs: wallMs(this.#time),
    }
    const { leaderEpoch } = this.#source
    const frame = { ...about, from: channel.next, leaderEpoch, batches, relayed: false, gap: false }
    channel.next = last.next
    if (batches.length === 0) this.#toTarget(() => this.#link.progress(this, { ...about, leaderEpoch }))
    else this.#toTarget(() => this.#deliver(frame, channel.lane, bytes))
    return true
  }

  #produceLater(): void {
    const atMs = this.#source.nextProducedMs(this.#time.nowMs)
    if (atMs === undefined) return
    this.#time.after(atMs - this.#time.nowMs, () => {
      if (!this.#up) return
      this.#pump()
      this.#produceLater()
    })
  }

  #toSource(run: () => void): void {
    this.#lastToSourceMs = Math.max(this.#lastToSourceMs, this.#time.nowMs + this.#random.next() * this.#maxDelayMs)
    this.#time.after(this.#lastToSourceMs - this.#time.nowMs, () => {
      if (this.#up) run()
    })
  }

  #toTarget(run: () => void): void {
    this.#lastToTargetMs = Math.max(this.#lastToTargetMs, this.#time.nowMs + this.#random.next() * this.#maxDelayMs)
    this.#time.after(this.#lastToTargetMs - this.#time.nowMs, () =>
      this.#process.reach(() => {
        if (this.#up) run()
      }),
    )
  }
}
