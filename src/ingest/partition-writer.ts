import type { Clock } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import type { Appended } from '../kafka/types.ts'
import type { TransformedBatch } from '../record/transform.ts'
import { isOfRun } from './checkpoint.ts'
import { CheckpointPace } from './checkpoint-pace.ts'
import { endsWithin } from './drain.ts'
import type { Fenced } from './fence.ts'
import { type Cut, holdsOldData } from './inbox.ts'
import type { IngestLimits } from './limits.ts'
import { DENIED_RETRY_MS, type Pace, takeoverBegins, unpaced, waitBeforeTakeoverMs } from './pacing.ts'
import { runPlain } from './plain-run.ts'
import type { Checkpoint, Checkpoints, IngestEvent, IngestObserver, TargetLog } from './ports.ts'
import { doubtOf, type PartitionSpec, type RunEnd, type RunPartition, type Taken, type WriteMode } from './run.ts'
import { type PartitionPolicy, SourceFeed } from './source-feed.ts'
import { SplitLimit } from './split-limit.ts'
import { afterWrite, NOTHING_WRITTEN, type Standing, toCheckpoint } from './standing.ts'
import { type TakeoverPorts, takeOver } from './takeover.ts'
import { extentOf, runTransactions, standingAfter, type Written } from './transaction-run.ts'
import { Upkeep } from './upkeep.ts'
import { Wakeup } from './wakeup.ts'
import type { WriterState } from './writer-state.ts'

export interface WriterPorts extends TakeoverPorts {
  readonly random: () => number
  readonly clusterHash: Buffer
  /** Node-wide room for produce-ready bytes; `wake` is called when a refused reservation may succeed. */
  readonly inFlight: { reserve(bytes: number, wake: () => void): boolean; unreserve(bytes: number): void }
  giveBack(lane: number, bytes: number): void
}

/** How soon a lane that is confirmed again goes on. */
const OWNER_POLL_MS = 250
/** Data is old when its time is further back than this part of `producer.id.expiration.ms` (exactly-once.md 2.2). */
const OLD_DATA_SHARE = 4

/**
 * One partition of a link: takes it over (fence, position), writes until a doubt, takes over again. What goes wrong here
 * hurts this partition only. Records come through `feed`; exactly-once.md is what this class keeps.
 */
export class PartitionWriter implements RunPartition {
  readonly spec: PartitionSpec
  readonly feed: SourceFeed
  readonly target: TargetLog
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly limits: IngestLimits
  readonly observer: IngestObserver
  drainOver = false
  readonly #ports: WriterPorts
  readonly #policy: PartitionPolicy
  readonly #wakeup = new Wakeup()
  /** One function for good: whoever keeps wakers keeps one of ours. */
  readonly #wakeMe = () => this.wake()
  readonly #upkeep: Upkeep
  readonly #pacing: CheckpointPace
  readonly #splitLimit: SplitLimit
  #state: WriterState = { kind: 'waiting', why: 'its turn' }
  #standing: Standing = NOTHING_WRITTEN
  #asked: RunEnd | undefined
  #fenced: Fenced | undefined
  #sequence = -1
  /** Cuts that are neither safe nor given up, and their wire bytes. */
  #unanswered = { cuts: 0, bytes: 0 }
  #pace: Pace = unpaced
  /** What ended the run before. */
  #cause: 'first' | RunEnd['kind'] = 'first'
  #life: Promise<void> | undefined

  constructor(spec: PartitionSpec, policy: PartitionPolicy, ports: WriterPorts) {
    this.spec = spec
    this.target = ports.target
    this.checkpoints = ports.checkpoints
    this.clock = ports.clock
    this.limits = ports.limits
    this.observer = ports.observer
    this.#ports = ports
    this.#policy = policy
    this.#splitLimit = new SplitLimit(spec)
    this.feed = new SourceFeed(spec, policy, ports.clock, ports.observer, {
      wake: () => this.wake(),
      end: end => this.end(end),
      giveBack: bytes => ports.giveBack(spec.lane, bytes),
    })
    this.#upkeep = new Upkeep(spec, ports, {
      doubt: cause => this.end(doubtOf(cause, spec)),
      endSeen: (endOffset, leaderEpoch) => this.#endSeen(endOffset, leaderEpoch),
      idle: () => this.#unanswered.cuts === 0,
      standing: () => this.#standing,
    })
    this.#pacing = new CheckpointPace(ports.clock, checkpoint => ports.checkpoints.save(checkpoint))
  }

  // ---- life -----------------------------------------------------------------------------------------------------

  start(): void {
    this.#life ??= this.#lived()
  }

  /**
   * Resolves when what was in flight is known and a last checkpoint is saved, so that the next owner reads little; after
   * `deadlineMs` at the latest: its fence covers what is open then. May be called again with less time.
   */
  async stop(deadlineMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.end({ kind: 'stopped' })
    await endsWithin(this.clock, deadlineMs, this.#life ?? Promise.resolve(), () => {
      this.drainOver = true
      this.wake()
    })
    this.#state = { kind: 'stopped' }
  }

  /** An operator's resume: a halted partition is taken over again. */
  resume(): void {
    if (this.#state.kind !== 'halted') return
    this.#asked = undefined
    this.#pace = unpaced
    this.#life = this.#lived()
  }

  /** Asks the present run to end; a stop is never taken back by something weaker. */
  end(end: RunEnd): void {
    if (this.#asked?.kind !== 'stopped') this.#asked = end
    this.wake()
  }

  get state(): WriterState {
    return this.#state
  }

  get standing(): Standing {
    return this.#standing
  }

  /** Never rejects: a bug between two turns halts this partition and nothing else. */
  async #lived(): Promise<void> {
    try {
      await this.#live()
    } catch (bug) {
      this.#halt(this.#internal(bug))
    } finally {
      this.#wakeup.dispose()
    }
  }

  async #live(): Promise<void> {
    let mode: WriteMode = this.spec.compacted ? 'transaction' : 'plain'
    let ranForMs = 0
    while (await this.#nextTurn(ranForMs)) {
      const beganMs = this.clock.monotonicMs()
      const end = await this.#turn(mode)
      ranForMs = this.clock.monotonicMs() - beganMs
      this.#upkeep.end()
      this.#giveUpUnanswered()
      this.feed.letGo()
      if (end.kind === 'halt') return this.#halt(end.error)
      if (end.kind === 'mode') mode = end.mode
      this.#cause = end.kind
      await this.#between(end)
    }
    this.#state = { kind: 'stopped' }
  }

  /** Waits until the next takeover may begin; false when the writer is to stop. */
  async #nextTurn(ranForMs: number): Promise<boolean> {
    for (;;) {
      if (this.#stopping()) return false
      // A lane that the group does not confirm begins nothing, so it is not paced either.
      const ours = this.#ports.isOwner(this.spec.lane)
      const waitMs = ours ? waitBeforeTakeoverMs(this.#pace, this.clock.monotonicMs()) : OWNER_POLL_MS
      if (waitMs === 0) break
      await this.#wakeup.wait(this.clock, waitMs)
    }
    this.#pace = takeoverBegins(this.#pace, this.clock.monotonicMs(), ranForMs, this.#ports.random())
    this.#asked = undefined
    return true
  }

  /** Method, not an inlined test: `end` changes the field while we wait. */
  readonly #stopping = () => this.#asked?.kind === 'stopped'

  /** One takeover and the run that follows it. */
  async #turn(mode: WriteMode): Promise<RunEnd> {
    try {
      const taken = await this.#takeOver(mode)
      if (!('fenced' in taken)) return taken
      this.#state = { kind: 'running', mode }
      this.#upkeep.begin()
      if (mode === 'plain') return await runPlain(this, taken, this.#ports.clusterHash)
      const progressAfter = (written: readonly Written[], from: number) => this.#progressAfter(written, from)
      return await runTransactions(this, taken, this.#ports.clusterHash, progressAfter)
    } catch (failure) {
      if (failure instanceof GatewayError) return { kind: 'halt', error: failure }
      if (failure instanceof KafkaFailure) return doubtOf(failure, this.spec)
      return { kind: 'halt', error: this.#internal(failure) }
    }
  }

  #internal(bug: unknown): GatewayError {
    const what = bug instanceof Error ? bug.stack : String(bug)
    return new GatewayError('INTERNAL', 'partition', `${this.spec.topic}-${this.spec.partition}: ${what}`, {
      cause: bug,
    })
  }

  async #takeOver(mode: WriteMode): Promise<Taken | RunEnd> {
    if (this.#stopping()) return { kind: 'stopped' }
    const beganMs = this.clock.monotonicMs()
    this.#state = { kind: 'taking-over' }
    const took = await takeOver(this.spec, this.#policy, mode, this.feed, {
      ...this.#ports,
      asked: () => this.#asked,
      wait: () => this.#wakeup.wait(this.clock, this.feed.reopenDueInMs()),
    })
    if (!('standing' in took)) return took
    this.#fenced = took.taken.fenced
    this.#standing = took.standing
    this.#sequence = -1
    await this.#pacing.saveNow(this.#checkpoint())
    await this.checkpoints.remove(took.superseded.filter(old => !isOfRun(old, took.taken.fenced.identity)))
    this.feed.wantFrom(this.#standing)
    this.observer.takeover(this.spec, this.#cause, this.clock.monotonicMs() - beganMs)
    return took.taken
  }

  /** What has to be durable, or said, before the next turn. */
  async #between(end: RunEnd): Promise<void> {
    switch (end.kind) {
      case 'move':
        this.#standing = end.to(this.#standing)
        this.#state = { kind: 'waiting', why: end.why }
        return await this.#saveQuietly()
      case 'mode':
        return this.#event('mode-changed', `writes in ${end.mode} mode: ${end.why}`)
      case 'doubt':
        this.#state = { kind: 'waiting', why: end.cause.message }
        // A lane that moved on is the group's doing; only a newer writer fences.
        if (end.cause.kind === 'fenced' && end.cause.code !== 'LANE_LOST') this.#event('fenced', end.cause.message)
        return this.#log('info', 'takes over again', { cause: end.cause.code, what: end.cause.message })
      case 'stopped':
        return await this.#saveQuietly()
      case 'halt':
    }
  }

  /** A checkpoint is only a lower bound: without this one the next owner reads a little more. */
  async #saveQuietly(): Promise<void> {
    if (!this.#fenced) return
    try {
      await this.#pacing.saveNow(this.#checkpoint())
    } catch (failure) {
      this.#log('warn', 'checkpoint not saved', { what: String(failure) })
    }
  }

  #halt(error: GatewayError): void {
    this.#state = { kind: 'halted', error }
    this.#event('halted', `${error.code}: ${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`)
    if (error.code === 'ACL_MISSING') void this.clock.sleep(DENIED_RETRY_MS).then(() => this.resume())
  }

  // ---- what a run needs ------------------------------------------------------------------------------------------

  endAsked(): RunEnd | undefined {
    if (this.#asked) return this.#asked
    if (this.#ports.isOwner(this.spec.lane)) return undefined
    return { kind: 'doubt', cause: new KafkaFailure('retriable', 'LANE_LOST', 'the lane is not ours for certain now') }
  }

  cut(maxWireBytes: number, mode: WriteMode): Cut | undefined {
    const oldBeforeMs = this.#oldBeforeMs()
    const taken = this.feed.cut(maxWireBytes, frame => mode === 'plain' && holdsOldData(frame, oldBeforeMs))
    if (taken) this.#unanswered = { cuts: this.#unanswered.cuts + 1, bytes: this.#unanswered.bytes + taken.wireBytes }
    return taken
  }

  otherModeNeeded(mode: WriteMode): string | undefined {
    if (mode !== 'plain' || !this.feed.oldDataNext(this.#oldBeforeMs())) return undefined
    return 'data older than the target keeps producer state for'
  }

  #oldBeforeMs(): number {
    return this.clock.nowMs() - this.limits.producerIdExpirationMs / OLD_DATA_SHARE
  }

  isOld(batch: TransformedBatch): boolean {
    return batch.maxTimestampMs < this.#oldBeforeMs()
  }

  bufferedBytes(): number {
    return this.feed.bufferedBytes
  }

  reserve(bytes: number): boolean {
    return this.#ports.inFlight.reserve(bytes, this.#wakeMe)
  }

  unreserve(bytes: number): void {
    this.#ports.inFlight.unreserve(bytes)
  }

  get maxBatchBytes(): number {
    return this.#splitLimit.maxBatchBytes
  }

  refusedAsTooLarge(batch: TransformedBatch): GatewayError | undefined {
    return this.#splitLimit.refused(batch)
  }

  wrote(batch: TransformedBatch, cut: Cut, appended: Appended): void {
    this.#sequence = appended.lastSequence
    this.#standing = afterWrite(this.#standing, batch, cut.leaderEpoch, appended.baseOffset, appended.leaderEpoch)
    this.#pacing.moved(batch.ready.sizeBytes)
    const { origin, topic } = this.spec
    this.observer.appended(origin, topic, batch.recordCount, batch.ready.sizeBytes, batch.uncompressedBytes)
  }

  committedAt(markerOffset: number): void {
    this.#standing = { ...this.#standing, scanFrom: Math.max(this.#standing.scanFrom, markerOffset + 1) }
  }

  finished(cut: Cut): void {
    this.#unanswered = { cuts: this.#unanswered.cuts - 1, bytes: this.#unanswered.bytes - cut.wireBytes }
    if (cut.next > this.#standing.position)
      this.#standing = { ...this.#standing, position: cut.next, originLeaderEpoch: cut.leaderEpoch }
    this.observer.received(this.spec.origin, this.spec.topic, cut.wireBytes)
    this.feed.finished(cut)
  }

  rewind(): void {
    this.#giveUpUnanswered()
    this.feed.wantFrom(this.#standing)
  }

  /** What was cut and did not become safe is fetched again: its memory is free, so its credit goes back. */
  #giveUpUnanswered(): void {
    this.#ports.giveBack(this.spec.lane, this.#unanswered.bytes)
    this.#unanswered = { cuts: 0, bytes: 0 }
  }

  async upkeep(taken: Taken): Promise<void> {
    this.#coverWhatWasEmpty()
    this.feed.reopenWhenDue()
    this.#pacing.saveWhenDue(
      () => this.#checkpoint(),
      () => this.wake(),
    )
    if (this.#upkeep.dueInMs() > 0) return
    await this.#upkeep.run(taken.fenced)
    this.wake()
  }

  /** The source said that nothing of its own lies up to here, and all before is written. */
  #coverWhatWasEmpty(): void {
    const next = this.feed.receivedNext
    if (this.#unanswered.cuts > 0 || !this.feed.empty || next <= this.#standing.position) return
    this.#standing = { ...this.#standing, position: next, originLeaderEpoch: this.feed.leaderEpoch }
    this.#pacing.moved(0)
  }

  async wait(): Promise<void> {
    const dueInMs = Math.min(this.#pacing.dueInMs(), this.#upkeep.dueInMs(), this.feed.reopenDueInMs())
    await this.#wakeup.wait(this.clock, dueInMs)
  }

  async woken(): Promise<void> {
    await this.#wakeup.wait(this.clock, Number.POSITIVE_INFINITY)
  }

  wake(): void {
    this.#wakeup.wake()
  }

  #endSeen(endOffset: number, leaderEpoch: number): void {
    if (endOffset <= this.#standing.scanFrom) return
    this.#standing = { ...this.#standing, scanFrom: endOffset, targetLeaderEpoch: leaderEpoch }
    this.#pacing.moved(0)
  }

  #checkpoint(standing = this.#standing): Checkpoint {
    return toCheckpoint(this.spec, this.#fenced!, standing, this.#sequence, this.clock.nowMs())
  }

  #progressAfter(written: readonly Written[], from: number): Checkpoint {
    const checkpoint = this.#checkpoint(standingAfter(this.#standing, written))
    return { ...checkpoint, transaction: extentOf(written, from) }
  }

  #event(name: IngestEvent['name'], message: string): void {
    const { origin, topic, partition } = this.spec
    this.observer.event({ name, origin, topic, partition, message })
  }

  #log(level: 'info' | 'warn', message: string, fields: Record<string, unknown>): void {
    const { origin, topic, partition } = this.spec
    this.observer.log(level, message, { origin, topic, partition, ...fields })
  }
}
