import { type BatchFacts, batchFacts, markerBatch, placeBatch, producedBatchProblem } from './batch-bytes.ts'
import { ProducerStates } from './producer-state.ts'

export interface StoredBatch {
  readonly bytes: Buffer
  readonly facts: BatchFacts
  readonly leaderEpoch: number
  readonly commit?: boolean
}

export type ProduceOutcome =
  | { readonly kind: 'stored'; readonly baseOffset: number; readonly leaderEpoch: number; readonly repeat: boolean }
  | { readonly kind: 'refused'; readonly code: string }

/** One partition of the modelled cluster as its leader sees it: log, high watermark, producer state. */
export class ModelPartition {
  readonly topic: string
  readonly partition: number
  /** -1 while there is no leader. */
  leader = 1
  leaderEpoch = 0
  belowMinIsr = false
  /** `max.message.bytes`. */
  maxBatchBytes = 1024 * 1024
  logStartOffset = 0
  highWatermark = 0
  readonly producers = new ProducerStates()
  log: StoredBatch[] = []
  #epochStarts: { readonly leaderEpoch: number; readonly startOffset: number }[] = [{ leaderEpoch: 0, startOffset: 0 }]
  #onVisible: (() => void)[] = []

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get endOffset(): number {
    const last = this.log.at(-1)
    return last === undefined ? this.logStartOffset : Math.max(this.logStartOffset, last.facts.lastOffset + 1)
  }

  get lastStableOffset(): number {
    return Math.min(this.highWatermark, this.producers.firstUnstableOffset() ?? Number.POSITIVE_INFINITY)
  }

  /** Append to the leader's log; readable once the high watermark has passed it. */
  produce(bytes: Buffer, ongoing: (facts: BatchFacts) => boolean): ProduceOutcome {
    if (this.leader < 0) return { kind: 'refused', code: 'NOT_LEADER_OR_FOLLOWER' }
    if (this.belowMinIsr) return { kind: 'refused', code: 'NOT_ENOUGH_REPLICAS' }
    const problem = producedBatchProblem(bytes)
    if (problem !== undefined) throw new Error(`a broker refuses this batch as corrupt: ${problem}`)
    if (bytes.length > this.maxBatchBytes) return { kind: 'refused', code: 'MESSAGE_TOO_LARGE' }
    const sent = batchFacts(bytes)
    if (sent.producerId >= 0) {
      const verdict = this.producers.judge(sent, () => ongoing(sent))
      if (verdict.kind === 'refuse') return { kind: 'refused', code: verdict.code }
      if (verdict.kind === 'repeat')
        return { kind: 'stored', baseOffset: verdict.baseOffset, leaderEpoch: this.leaderEpoch, repeat: true }
    }
    const baseOffset = this.endOffset
    this.#store(placeBatch(bytes, baseOffset, this.leaderEpoch))
    return { kind: 'stored', baseOffset, leaderEpoch: this.leaderEpoch, repeat: false }
  }

  /** False: refused, a later epoch is already here. */
  writeMarker(producerId: number, epoch: number, commit: boolean, nowMs: number): boolean {
    if (!this.producers.acceptsMarker(producerId, epoch)) return false
    this.#store(placeBatch(markerBatch(producerId, epoch, commit, nowMs), this.endOffset, this.leaderEpoch), commit)
    return true
  }

  /** Followers have fetched up to `offset`. */
  replicate(offset: number): void {
    if (this.leader < 0 || this.belowMinIsr) return
    this.highWatermark = Math.max(this.highWatermark, Math.min(offset, this.endOffset))
    for (const listener of this.#onVisible.splice(0)) listener()
  }

  /** Calls back once at the next change of what can be read. */
  onceChanged(listener: () => void): void {
    this.#onVisible.push(listener)
  }

  /** Another replica leads: of what was not yet readable it holds up to `endOffset`. */
  elect(endOffset: number): void {
    this.#truncate(Math.max(this.highWatermark, endOffset))
    this.#newLeader()
    this.highWatermark = this.endOffset
    for (const listener of this.#onVisible.splice(0)) listener()
  }

  /** A replica that was not in sync leads: acked data above `endOffset` is gone, with all that was known of it (F13). */
  electUnclean(endOffset: number): void {
    this.#truncate(endOffset)
    this.logStartOffset = Math.min(this.logStartOffset, this.endOffset)
    this.highWatermark = this.endOffset
    this.#newLeader()
    for (const listener of this.#onVisible.splice(0)) listener()
  }

  /** Retention or DeleteRecords. Producer state stays until a replica is built anew from what is left. */
  deleteBelow(offset: number): void {
    this.logStartOffset = Math.max(this.logStartOffset, Math.min(offset, this.highWatermark))
    this.log = this.log.filter(batch => batch.facts.lastOffset >= this.logStartOffset)
  }

  /** Readable batches from `fromOffset` on, at least one if there is any, up to `maxBytes`. */
  read(fromOffset: number, maxBytes: number): StoredBatch[] {
    const found: StoredBatch[] = []
    let bytes = 0
    for (const batch of this.log) {
      if (batch.facts.lastOffset < fromOffset) continue
      if (batch.facts.lastOffset >= this.highWatermark) break
      bytes += batch.bytes.length
      if (found.length > 0 && bytes > maxBytes) break
      found.push(batch)
    }
    return found
  }

  endOffsetForEpoch(leaderEpoch: number): { leaderEpoch: number; endOffset: number } {
    let at = -1
    for (let i = 0; i < this.#epochStarts.length; i++) if (this.#epochStarts[i]!.leaderEpoch <= leaderEpoch) at = i
    if (at < 0) return { leaderEpoch: -1, endOffset: -1 }
    const next = this.#epochStarts[at + 1]
    return { leaderEpoch: this.#epochStarts[at]!.leaderEpoch, endOffset: next?.startOffset ?? this.endOffset }
  }

  /** Where batches end, for a failover to cut at. */
  boundaries(): number[] {
    return [this.logStartOffset, ...this.log.map(batch => batch.facts.lastOffset + 1)]
  }

  #store(bytes: Buffer, commit?: boolean): void {
    const stored: StoredBatch = { bytes, facts: batchFacts(bytes), leaderEpoch: this.leaderEpoch, commit }
    this.log.push(stored)
    this.producers.learn(stored)
  }

  #truncate(endOffset: number): void {
    this.log = this.log.filter(batch => batch.facts.lastOffset < endOffset)
  }

  #newLeader(): void {
    this.leaderEpoch++
    this.leader = 1 + (this.leaderEpoch % 3)
    this.producers.rebuild(this.log)
    this.#epochStarts = this.#epochStarts.filter(start => start.startOffset < this.endOffset || start.leaderEpoch === 0)
    this.#epochStarts.push({ leaderEpoch: this.leaderEpoch, startOffset: this.endOffset })
  }
}
