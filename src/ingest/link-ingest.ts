import { laneOf } from '../route/lanes.ts'
import type {
  CatalogTopic,
  ClosedMessage,
  FrameMessage,
  OpenedMessage,
  OpenRequest,
  ProgressMessage,
  StartAt,
} from '../route/pull.ts'
import { wireBytes } from './inbox.ts'
import { givenBack, grant, type LaneCredit, newSession, noCredit, received } from './lane-credit.ts'
import { PartitionWriter, type WriterPorts } from './partition-writer.ts'
import type { Lag, PartitionPolicy, SourceChannel } from './source-feed.ts'
import type { Standing } from './standing.ts'
import type { WriterState } from './writer-state.ts'

/** One session of this link; what ingest needs of `link/`'s PullSession. */
export interface Session {
  open(request: OpenRequest): void
  close(channel: number): void
  credit(lane: number, absoluteBytes: number): void
  ack(channel: number, next: number): void
}

/** A topic whose copy in this cluster exists and has at least `partitions` partitions. */
export interface WritableTopic {
  readonly originTopic: string
  readonly topic: string
  readonly partitions: number
  readonly compacted: boolean
  readonly maxMessageBytes: number
  readonly policy: PartitionPolicy
}

export interface WriterView {
  readonly topic: string
  readonly partition: number
  readonly lane: number
  readonly state: WriterState
  readonly standing: Standing
  readonly lag: Lag
  /** Why nothing arrives from the source; undefined while it does. */
  readonly waitingFor: string | undefined
}

export interface LinkIngestPorts extends Omit<WriterPorts, 'giveBack'> {
  /** The origin's catalog as a session brings it; goes to the topics room. */
  onCatalog(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void
}

interface OpenChannel {
  readonly lane: number
  readonly writer: PartitionWriter
}

/**
 * One inbound link: which partitions this node writes (lanes owned x topics ready), and the channels of the session of
 * the moment. Implements what `link/` calls: up, lanes, catalog, opened, frame, progress, closed, down.
 */
export class LinkIngest {
  readonly origin: string
  readonly #ports: LinkIngestPorts
  readonly #topics = new Map<string, WritableTopic>()
  readonly #writers = new Map<string, PartitionWriter>()
  /** Those that drain: a partition has one writer at a time on this node. */
  readonly #leaving = new Map<string, PartitionWriter>()
  readonly #credits = new Map<number, LaneCredit>()
  #owned: ReadonlySet<number> = new Set()
  #lanesTotal = 1
  /** Of the owned lanes those that the session may open now. */
  #open: ReadonlySet<number> = new Set()
  #session: Session | undefined
  #channels = new Map<number, OpenChannel>()
  #nextChannel = 1
  #lanesAllowed = 0
  #paused = false
  #stopped = false
  #lastMovedMs: number

  constructor(origin: string, ports: LinkIngestPorts) {
    this.origin = origin
    this.#ports = ports
    this.#lastMovedMs = ports.clock.monotonicMs()
  }

  // ---- what this node is to write ---------------------------------------------------------------------------------

  /** Also when something of a known topic changed: its writers begin anew by what holds now. */
  ready(topic: WritableTopic): void {
    const before = this.#topics.get(topic.topic)
    this.#topics.set(topic.topic, topic)
    if (before && writesOtherwise(before, topic)) {
      for (const [key, writer] of this.#writers) if (writer.spec.topic === topic.topic) this.#leave(key, writer)
    }
    this.#reconcile()
  }

  /** The topic is no longer replicated here, or gone. */
  withdrawn(topic: string): void {
    this.#topics.delete(topic)
    this.#reconcile()
  }

  /** `total`: how many lanes there are; another number cuts the partitions anew. */
  setOwnedLanes(lanes: ReadonlySet<number>, total: number): void {
    this.#owned = lanes
    this.#lanesTotal = total
    this.#chooseOpen()
    this.#reconcile()
    // A lane that left makes room for one behind it.
    if (this.#session) this.#attachAllowed(this.#session)
  }

  setPaused(paused: boolean): void {
    this.#paused = paused
    this.#reconcile()
    if (!paused) for (const writer of this.#writers.values()) writer.resume()
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Drains, saves checkpoints and lets go of every partition, in `deadlineMs` as far as each of them can. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    this.#reconcile()
    await Promise.all([...this.#leaving.values()].map(writer => writer.stop(deadlineMs)))
  }

  /** Starts what is missing and stops what is not ours; lanes that stay keep flowing. */
  #reconcile(): void {
    const wanted = new Map<string, { topic: WritableTopic; partition: number; lane: number }>()
    if (!this.#stopped && !this.#paused) {
      for (const topic of this.#topics.values()) {
        for (let partition = 0; partition < topic.partitions; partition++) {
          const lane = laneOf(topic.originTopic, partition, this.#lanesTotal)
          if (this.#owned.has(lane)) wanted.set(`${topic.topic}/${partition}`, { topic, partition, lane })
        }
      }
    }
    for (const [key, writer] of this.#writers) if (wanted.get(key)?.lane !== writer.spec.lane) this.#leave(key, writer)
    const missing = [...wanted].filter(([key]) => !this.#writers.has(key) && !this.#leaving.has(key))
    // The most recently active first: they have readers waiting (exactly-once.md 2).
    missing.sort(([, a], [, b]) => this.#lastActiveMs(b) - this.#lastActiveMs(a))
    for (const [key, { topic, partition, lane }] of missing) this.#enter(key, topic, partition, lane)
  }

  #lastActiveMs({ topic, partition }: { topic: WritableTopic; partition: number }): number {
    const saved = this.#ports.checkpoints.of(this.origin, topic.topic, partition)
    return saved.reduce((latest, one) => Math.max(latest, one.savedAtMs), 0)
  }

  #enter(key: string, topic: WritableTopic, partition: number, lane: number): void {
    const { compacted, maxMessageBytes, originTopic } = topic
    const known = { compacted, maxMessageBytes, onGap: topic.policy.gap }
    const spec = { origin: this.origin, topic: topic.topic, originTopic, partition, lane, ...known }
    const writer = new PartitionWriter(spec, topic.policy, {
      ...this.#ports,
      giveBack: (ofLane, bytes) => this.#giveBack(ofLane, bytes),
    })
    this.#writers.set(key, writer)
    if (this.#session && this.#open.has(lane)) writer.feed.attach(this.#channelFor(writer, this.#session))
    writer.start()
  }

  #leave(key: string, writer: PartitionWriter): void {
    this.#writers.delete(key)
    this.#leaving.set(key, writer)
    void writer.stop().finally(() => {
      this.#leaving.delete(key)
      // It may be wanted again by now.
      this.#reconcile()
    })
  }

  // ---- the session --------------------------------------------------------------------------------------------------

  up(session: Session, lanesAllowed: number): void {
    this.#session = session
    this.#channels = new Map()
    this.#lanesAllowed = lanesAllowed
    this.#chooseOpen()
    this.#moved()
    for (const [lane, credit] of this.#credits) this.#credits.set(lane, newSession(credit))
    this.#attachAllowed(session)
  }

  lanes(session: Session, lanesAllowed: number): void {
    if (session !== this.#session) return
    this.#lanesAllowed = lanesAllowed
    this.#chooseOpen()
    this.#attachAllowed(session)
  }

  down(session: Session, reason: string): void {
    if (session !== this.#session) return
    this.#session = undefined
    this.#channels = new Map()
    for (const writer of this.#writers.values()) writer.feed.detach(reason)
  }

  catalog(session: Session, topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void {
    if (session !== this.#session) return
    this.#moved()
    this.#ports.onCatalog(topics, removed, full)
  }

  opened(session: Session, message: OpenedMessage): void {
    this.#writerOf(session, message.channel)?.feed.onOpened(message)
  }

  frame(session: Session, message: FrameMessage): void {
    const channel = session === this.#session ? this.#channels.get(message.channel) : undefined
    if (!channel) return
    this.#moved()
    const bytes = wireBytes(message)
    this.#credits.set(channel.lane, received(this.#creditOf(channel.lane), bytes))
    channel.writer.feed.onFrame(message)
  }

  progress(session: Session, message: ProgressMessage): void {
    this.#writerOf(session, message.channel)?.feed.onProgress(message)
  }

  closed(session: Session, message: ClosedMessage): void {
    const writer = this.#writerOf(session, message.channel)
    this.#channels.delete(message.channel)
    writer?.feed.onClosed(message, writer.standing)
  }

  #writerOf(session: Session, channel: number): PartitionWriter | undefined {
    if (session !== this.#session) return undefined
    this.#moved()
    return this.#channels.get(channel)?.writer
  }

  #attachAllowed(session: Session): void {
    for (const lane of this.#owned) this.#sendGrant(lane)
    for (const writer of this.#writers.values()) {
      if (this.#open.has(writer.spec.lane) && !writer.feed.attached)
        writer.feed.attach(this.#channelFor(writer, session))
    }
  }

  /** In half-open and slow start only the first so many of the owned lanes may be opened. */
  #chooseOpen(): void {
    const owned = [...this.#owned].sort((a, b) => a - b)
    this.#open = new Set(owned.slice(0, this.#lanesAllowed))
  }

  #channelFor(writer: PartitionWriter, session: Session): SourceChannel {
    const { lane, originTopic, partition } = writer.spec
    let current: number | undefined
    const close = () => {
      if (current === undefined || session !== this.#session) return
      // What still comes for it is dropped, and its credit given back, by the session.
      if (this.#channels.delete(current)) session.close(current)
      current = undefined
    }
    return {
      open: (start: StartAt, topicId: string | undefined) => {
        if (session !== this.#session) return
        close()
        current = this.#nextChannel++
        this.#channels.set(current, { lane, writer })
        this.#sendGrant(lane)
        session.open({ channel: current, lane, topic: originTopic, topicId, partition, start })
      },
      close,
      ack: next => {
        if (current !== undefined && session === this.#session) session.ack(current, next)
      },
    }
  }

  // ---- credit -----------------------------------------------------------------------------------------------------

  #creditOf(lane: number): LaneCredit {
    return this.#credits.get(lane) ?? noCredit
  }

  #giveBack(lane: number, bytes: number): void {
    if (bytes === 0) return
    this.#credits.set(lane, givenBack(this.#creditOf(lane), bytes))
    this.#sendGrant(lane)
  }

  #sendGrant(lane: number): void {
    if (!this.#session) return
    const { credit, absoluteBytes } = grant(this.#creditOf(lane), this.#ports.limits.laneCreditBytes)
    this.#credits.set(lane, credit)
    if (absoluteBytes !== undefined) this.#session.credit(lane, absoluteBytes)
  }

  // ---- what is seen from outside -------------------------------------------------------------------------------------

  /** For the progress probe: something was asked of the source that it owes us. */
  outstanding(): boolean {
    if (!this.#session) return false
    for (const writer of this.#writers.values()) {
      const { feed } = writer
      if (feed.unanswered) return true
      const credit = this.#creditOf(writer.spec.lane)
      if (feed.waitingFor === undefined && feed.behind && credit.sentBytes > credit.receivedBytes) return true
    }
    return false
  }

  lastMovedMonotonicMs(): number {
    return this.#lastMovedMs
  }

  #moved(): void {
    this.#lastMovedMs = this.#ports.clock.monotonicMs()
  }

  /** Frame bytes that are neither safe nor dropped. */
  heldBytes(): number {
    let bytes = 0
    for (const credit of this.#credits.values()) bytes += credit.heldBytes
    return bytes
  }

  view(): WriterView[] {
    return [...this.#writers.values()].map(({ spec, state, standing, feed }) => ({
      topic: spec.topic,
      partition: spec.partition,
      lane: spec.lane,
      state,
      standing,
      lag: feed.lag(standing.position),
      waitingFor: feed.waitingFor,
    }))
  }
}

/** Partitions that are only more of them need nothing: their writers are added. */
function writesOtherwise(before: WritableTopic, now: WritableTopic): boolean {
  const { compacted, maxMessageBytes, originTopic, policy } = before
  return (
    compacted !== now.compacted ||
    maxMessageBytes !== now.maxMessageBytes ||
    originTopic !== now.originTopic ||
    JSON.stringify(policy) !== JSON.stringify(now.policy)
  )
}
