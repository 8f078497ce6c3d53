import type { LogReader } from '../kafka/log-reader-types.ts'
import { MAX_FRAME_BYTES } from '../route/batch-limits.ts'
import { CreditLedger } from '../route/credit.ts'
import type { OpenRequest, PeerIdentity } from '../route/pull.ts'
import { CatalogFeed } from './catalog-feed.ts'
import { Channel, type ChannelHost } from './channel.ts'
import { charge, LaneTurns } from './lane-turns.ts'
import {
  AHEAD_OF_CREDIT_BYTES,
  HELD_BYTES_BEFORE_SHEDDING,
  LATE_LOOKUPS_MAX,
  PROGRESS_EVERY_MS,
  RESOLVE_WITHIN_MS,
  WAITING_TOLD_CHANNELS,
  WAITING_TOLD_EVERY_MS,
} from './limits.ts'
import { PassedOver } from './passed-over.ts'
import type { FrameSink, OfferedTopic, SourceSession, TopicOffer } from './ports.ts'
import { findTopic, type Refusal, type Resolved } from './resolve-start.ts'
import type { EgressWorld, LinkKind } from './world.ts'

/** One peer fetching one link: its channels, their credit, and whose turn it is. */
export class EgressSession implements SourceSession, ChannelHost {
  readonly peer: PeerIdentity
  readonly origin: string
  readonly #world: EgressWorld
  readonly #offer: TopicOffer
  readonly #kind: LinkKind
  readonly #sink: FrameSink
  readonly #reader: LogReader
  readonly #catalog: CatalogFeed
  readonly #channels = new Map<number, Channel>()
  readonly #byLane = new Map<number, Set<Channel>>()
  /** Opens whose start is being looked up; closing one takes it out. */
  readonly #resolving = new Set<number>()
  readonly #lateLookups = new Map<string, Promise<Resolved>>()
  readonly #credit = new CreditLedger()
  readonly #turns = new LaneTurns()
  readonly #moved = new Set<Channel>()
  readonly #timer: NodeJS.Timeout
  #waitingToldMs = 0
  #sinkFull = false
  #pumping = false
  #ended = false

  constructor(
    peer: PeerIdentity,
    origin: string,
    world: EgressWorld,
    offer: TopicOffer,
    kind: LinkKind,
    sink: FrameSink,
  ) {
    this.peer = peer
    this.origin = origin
    this.#world = world
    this.#offer = offer
    this.#kind = kind
    this.#sink = sink
    this.#reader = world.openReader()
    this.#catalog = new CatalogFeed(world.topics, offer, peer.dc, sink)
    sink.onDrain(() => {
      this.#sinkFull = false
      this.#pump()
    })
    this.#timer = setInterval(() => this.#tick(), PROGRESS_EVERY_MS)
  }

  get channels(): number {
    return this.#channels.size
  }

  get heldBytes(): number {
    return this.#reader.outstandingBytes
  }

  // ---- what the peer says ----------------------------------------------------------------------------------------

  open(request: OpenRequest): void {
    const broken = this.#world.registry.broken()
    if (broken !== undefined) return this.#refuse(request.channel, { reason: 'registry-broken', message: broken })
    const found = findTopic(request, this.#offer, this.#world.topics.refused(request.topic, this.peer.dc))
    if ('refusal' in found) return this.#refuse(request.channel, found.refusal)
    const withheld = this.#world.registry.withheld(found.topic.localName, request.partition)
    // Until its writers are registered again: the peer asks again by itself.
    if (withheld !== undefined)
      return this.#refuse(request.channel, { reason: 'source-unavailable', message: withheld })
    this.#resolving.add(request.channel)
    this.#resolve(request, found.topic).then(
      resolved => this.#opened(request, found.topic, resolved),
      (error: unknown) => this.#bug(request.channel, error),
    )
  }

  close(id: number): void {
    const resolving = this.#resolving.delete(id)
    const channel = this.#channels.get(id)
    if (channel !== undefined) this.#forget(channel)
    if (resolving || channel !== undefined) this.#refuse(id, { reason: 'requested', message: '' })
  }

  credit(lane: number, absoluteBytes: number): void {
    const waited = !this.#credit.allows(lane)
    if (!this.#credit.grant(lane, absoluteBytes)) return
    if (waited) for (const channel of this.#ofLane(lane)) channel.wantMore()
    this.#pump()
  }

  ack(_channel: number, _next: number): void {
    // Credit returns by itself, and the position is the target's own: nothing here depends on what is safe there.
  }

  end(_reason: string): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#timer)
    this.#catalog.end()
    for (const channel of this.#channels.values()) channel.close()
    this.#channels.clear()
    this.#byLane.clear()
    this.#resolving.clear()
    this.#lateLookups.clear()
    this.#moved.clear()
    this.#reader.close()
    this.#world.gone(this)
  }

  // ---- what the rest of the gateway says -------------------------------------------------------------------------

  /** Rules or topics changed: what may no longer leave stops at once. */
  recheck(): void {
    this.#catalog.update()
    for (const channel of [...this.#channels.values()]) {
      const refused = this.#world.topics.refused(channel.topicName, this.peer.dc)
      if (refused === undefined) continue
      this.#forget(channel)
      this.#refuse(channel.id, { reason: 'topic-refused', message: `${channel.topicName}: ${refused}` })
    }
  }

  // ---- what channels say -----------------------------------------------------------------------------------------

  ready(channel: Channel): void {
    if (channel.ending !== undefined) {
      const message = channel.ending
      this.#forget(channel)
      this.#sink.closed(message)
    } else if (channel.sendable) {
      this.#turns.add(channel)
      this.#pump()
    }
  }

  moved(channel: Channel): void {
    this.#moved.add(channel)
  }

  mayFetch(channel: Channel): boolean {
    return this.#credit.allows(channel.lane) || this.#reader.outstandingBytes < AHEAD_OF_CREDIT_BYTES
  }

  mayHold(channel: Channel): boolean {
    return this.#credit.allows(channel.lane) || this.#reader.outstandingBytes < HELD_BYTES_BEFORE_SHEDDING
  }

  settle(producerIds: Iterable<number>): Promise<void> {
    return this.#world.decisions.settle(producerIds)
  }

  nowMs(): number {
    return this.#world.clock.nowMs()
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  /**
   * Never longer than a peer would wait. A lookup that takes longer (a relay's search in a large log) goes on, and the
   * next Open of the same place has its answer.
   */
  #resolve(request: OpenRequest, topic: OfferedTopic): Promise<Resolved> {
    const { partition, start } = request
    const place = `${this.origin}/${topic.name}-${partition}`
    const key = `${place} ${JSON.stringify(start)}`
    const lookup = this.#lateLookups.get(key) ?? this.#kind.resolve(request, topic)
    this.#lateLookups.delete(key)
    const { promise: late, resolve } = Promise.withResolvers<Resolved>()
    const timer = setTimeout(() => {
      this.#lateLookups.set(key, lookup)
      const oldest = this.#lateLookups.keys().next().value
      if (this.#lateLookups.size > LATE_LOOKUPS_MAX && oldest !== undefined) this.#lateLookups.delete(oldest)
      const message = `${place}: no answer from the local cluster yet`
      resolve({ kind: 'refused', refusal: { reason: 'source-unavailable', message } })
    }, RESOLVE_WITHIN_MS)
    return Promise.race([lookup.finally(() => clearTimeout(timer)), late])
  }

  #opened(request: OpenRequest, topic: OfferedTopic, resolved: Resolved): void {
    const { channel: id, lane, partition } = request
    if (!this.#resolving.delete(id) || this.#ended) return
    if (resolved.kind === 'refused') return this.#refuse(id, resolved.refusal)
    const { position, logStart, highWatermark, fetch } = resolved
    const place = `${this.origin}/${topic.name}-${partition}`
    const start = {
      channel: id,
      lane,
      place,
      topicName: topic.name,
      partition,
      position,
      highWatermark,
      fetchFrom: fetch.offset,
      fetchEpoch: fetch.leaderEpoch,
      relayed: this.#kind.relayed,
    }
    const passedOver = new PassedOver()
    const channel = new Channel(start, this.#kind.scan(topic, partition, place, passedOver), this, () =>
      passedOver.tell(this.#world.observer, this.origin, this.peer.dc),
    )
    this.#channels.set(id, channel)
    this.#ofLane(lane).add(channel)
    this.#sink.opened({ channel: id, topicId: topic.topicId, position, logStart, highWatermark })
    const from = {
      topic: topic.localName,
      topicId: topic.localTopicId,
      partition,
      offset: fetch.offset,
      lastFetchedEpoch: fetch.leaderEpoch,
    }
    channel.follow(this.#reader.add(from, channel))
  }

  /** Sends as long as the sink takes it and some lane has both records and credit. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#sinkFull && !this.#ended) {
      const channel = this.#turns.take(lane => this.#credit.allows(lane))
      if (channel === undefined) break
      this.#send(channel)
    }
    this.#pumping = false
  }

  #send(channel: Channel): void {
    const { lane, topicName } = channel
    const { frame, bytes, records, written } = channel.cut(Math.min(MAX_FRAME_BYTES, this.#credit.availableBytes(lane)))
    this.#credit.use(lane, bytes)
    charge(channel, bytes)
    this.#world.observer.sent(this.origin, this.peer.dc, topicName, records, bytes)
    this.#sinkFull = !this.#sink.frame(frame, written)
    this.ready(channel)
    channel.wantMore()
  }

  #tick(): void {
    const broken = this.#world.registry.broken()
    if (broken !== undefined) this.#haltAll(broken)
    // A peer that is behind with reading gets no more small messages either; frames cover the same offsets.
    if (!this.#sinkFull) {
      for (const channel of this.#moved) {
        const progress = channel.progress()
        if (progress !== undefined) this.#sink.progress(progress)
      }
      this.#moved.clear()
      this.#tellWaiting()
    }
    this.#shed()
    for (const channel of this.#channels.values()) channel.wantMore()
  }

  #tellWaiting(): void {
    const nowMs = this.#world.clock.monotonicMs()
    if (nowMs - this.#waitingToldMs < WAITING_TOLD_EVERY_MS) return
    this.#waitingToldMs = nowMs
    let told = 0
    for (const channel of this.#channels.values()) {
      if (told >= WAITING_TOLD_CHANNELS) return
      const progress = channel.waitsForLog ? channel.progress(true) : undefined
      if (progress === undefined) continue
      this.#sink.progress(progress)
      told++
    }
  }

  /** What lanes without credit hold is let go while memory is short. */
  #shed(): void {
    if (this.#reader.outstandingBytes < HELD_BYTES_BEFORE_SHEDDING) return
    for (const channel of this.#channels.values()) {
      if (this.#credit.allows(channel.lane) || !channel.sendable) continue
      this.#turns.remove(channel)
      channel.shed()
    }
  }

  #ofLane(lane: number): Set<Channel> {
    return this.#byLane.getOrInsertComputed(lane, () => new Set())
  }

  #haltAll(why: string): void {
    for (const [id, channel] of [...this.#channels]) {
      this.#forget(channel)
      this.#refuse(id, { reason: 'registry-broken', message: why })
    }
  }

  #refuse(channel: number, refusal: Refusal): void {
    if (!this.#ended) this.#sink.closed({ channel, ...refusal })
  }

  #forget(channel: Channel): void {
    channel.close()
    this.#turns.remove(channel)
    this.#moved.delete(channel)
    this.#channels.delete(channel.id)
    this.#ofLane(channel.lane).delete(channel)
  }

  #bug(channel: number, error: unknown): void {
    this.#world.log.error(
      { cause: error, peer: this.peer.dc, origin: this.origin },
      'a bug: a partition cannot be opened',
    )
    if (this.#resolving.delete(channel)) this.#refuse(channel, { reason: 'internal', message: 'a bug in the gateway' })
  }
}
