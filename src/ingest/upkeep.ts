import type { Clock } from '../component.ts'
import { KafkaFailure } from '../kafka/failure.ts'
import { endTransaction, type Fenced, type LinkPartition } from './fence.ts'
import { IDLE_SCAN_POINT_MS, type IngestLimits, OWNERSHIP_CHECK_MS } from './limits.ts'
import type { TargetLog } from './ports.ts'
import type { Standing } from './standing.ts'

export interface UpkeepPorts {
  readonly target: TargetLog
  readonly clock: Clock
  readonly random: () => number
  readonly limits: IngestLimits
}

export interface UpkeepEvents {
  /** We are not, or can no longer be sure to be, the writer. */
  doubt(cause: KafkaFailure): void
  /** The log ends here and nothing of ours is in flight: the next scan may begin here. */
  endSeen(endOffset: number, leaderEpoch: number): void
  /** True while nothing was sent that is not answered. */
  idle(): boolean
  standing(): Standing
}

type Task = 'refresh' | 'ownership' | 'scan-point'

const REFRESH_MAX_MS = 6 * 3_600_000

/**
 * What keeps a running epoch alive (exactly-once.md 2.6): refresh by empty commits, a look at who the coordinator says
 * is the writer, and a scan point that moves while only others write to the log.
 */
export class Upkeep {
  readonly #partition: LinkPartition
  readonly #ports: UpkeepPorts
  readonly #events: UpkeepEvents
  #due: Record<Task, number> | undefined
  #running = false
  /** Runs that ended so far. */
  #epochs = 0

  constructor(partition: LinkPartition, ports: UpkeepPorts, events: UpkeepEvents) {
    this.#partition = partition
    this.#ports = ports
    this.#events = events
  }

  /** A new epoch runs. */
  begin(): void {
    this.#due = {
      refresh: this.#next('refresh'),
      ownership: this.#next('ownership'),
      'scan-point': this.#next('scan-point'),
    }
  }

  end(): void {
    this.#due = undefined
    this.#epochs++
  }

  dueInMs(): number {
    if (!this.#due || this.#running) return Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(...Object.values(this.#due)) - this.#ports.clock.monotonicMs())
  }

  /**
   * Starts what is due, one thing at a time. In plain mode beside the batches in flight (F7); in transaction mode the
   * caller waits for it, or the empty commit would end the transaction that begins meanwhile.
   */
  async run(fenced: Fenced): Promise<void> {
    if (!this.#due || this.#running || this.dueInMs() > 0) return
    const nowMs = this.#ports.clock.monotonicMs()
    const [task] = Object.entries(this.#due).find(([, dueMs]) => dueMs <= nowMs) as [Task, number]
    this.#due[task] = this.#next(task)
    this.#running = true
    const epochs = this.#epochs
    try {
      await this.#do(task, fenced, () => epochs === this.#epochs)
    } catch (failure) {
      // What is found out about an older run says nothing about the one that runs now.
      if (epochs === this.#epochs) this.#failed(failure)
    } finally {
      this.#running = false
    }
  }

  async #do(task: Task, fenced: Fenced, current: () => boolean): Promise<void> {
    const { target } = this.#ports
    switch (task) {
      case 'refresh':
        await target.addPartitionsToTxn(fenced.transactionalId, fenced.identity, [this.#partition])
        // COMMIT, never ABORT: a second copy of it can close no later transaction to our harm (F14).
        return await endTransaction(target, fenced.transactionalId, fenced.identity, true)
      case 'ownership': {
        const now = await target.describeTransaction(fenced.transactionalId)
        const { producerId, producerEpoch } = fenced.identity
        if (now?.producerId === producerId && now.producerEpoch <= producerEpoch) return
        const who = now ? `producerId ${now.producerId} epoch ${now.producerEpoch}` : 'nobody'
        throw new KafkaFailure('fenced', 'OTHER_WRITER', `${fenced.transactionalId} now belongs to ${who}`)
      }
      case 'scan-point': {
        if (!this.#events.idle()) return
        const standing = this.#events.standing()
        const { endOffset, leaderEpoch } = await target.offsets(this.#partition)
        await this.#assertIntact(standing, endOffset, leaderEpoch)
        if (current() && this.#events.idle()) this.#events.endSeen(endOffset, leaderEpoch)
      }
    }
  }

  /** A log that was cut while nothing is written (unclean election) would otherwise stay so until the next batch. */
  async #assertIntact(
    { scanFrom, targetLeaderEpoch }: Standing,
    endOffset: number,
    leaderEpoch: number,
  ): Promise<void> {
    let intactTo = endOffset
    if (targetLeaderEpoch >= 0 && targetLeaderEpoch !== leaderEpoch) {
      const lineage = await this.#ports.target.endOffsetForEpoch(this.#partition, targetLeaderEpoch)
      intactTo = Math.min(intactTo, lineage.endOffset)
    }
    if (intactTo >= scanFrom) return
    const { topic, partition } = this.#partition
    throw new KafkaFailure(
      'fenced',
      'LOG_TRUNCATED',
      `${topic}-${partition} is only intact up to ${intactTo}, was ${scanFrom}`,
    )
  }

  /** Only a fence is a reason to stop: running partitions go on while a coordinator is down. */
  #failed(failure: unknown): void {
    if (failure instanceof KafkaFailure && failure.kind === 'fenced') this.#events.doubt(failure)
  }

  #next(task: Task): number {
    const { limits, clock, random } = this.#ports
    const everyMs = {
      refresh: Math.min(REFRESH_MAX_MS, limits.transactionalIdExpirationMs / 4, limits.producerIdExpirationMs / 4),
      ownership: OWNERSHIP_CHECK_MS,
      'scan-point': IDLE_SCAN_POINT_MS,
    }[task]
    // Spread, so that thousands of partitions taken over together do not all ask together.
    return clock.monotonicMs() + everyMs * (0.75 + random() / 2)
  }
}
