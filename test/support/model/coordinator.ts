import type { ModelPartition } from './partition.ts'
import type { Random } from './random.ts'
import { type VirtualTime, wallMs } from './virtual-time.ts'

type TransactionPhase = 'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort'

interface Transaction {
  readonly producerId: number
  readonly epoch: number
  readonly phase: TransactionPhase
  readonly partitions: ReadonlySet<ModelPartition>
  readonly timeoutMs: number
  readonly startedMs: number
  readonly usedMs: number
}

export interface MarkerFaults {
  /** Longest time between EndTxn's answer and the marker (F4). */
  readonly maxDelayMs: number
  /** A marker is sent a second time, up to `repeatMaxDelayMs` later (F14). */
  readonly repeatChance: number
  readonly repeatMaxDelayMs: number
  /** No leader when the marker comes: 4.3 drops it, 3.9 to 4.2 wait (F4). */
  readonly whenLeaderless: 'drop' | 'wait'
}

/** `transactional.id.expiration.ms` (F10) and the last epoch before a new producerId (F12). */
export interface CoordinatorLimits {
  readonly idExpirationMs: number
  /** 0 on a real cluster; higher, epochs run out soon. */
  readonly firstEpoch: number
  readonly lastEpoch: number
}

export type CoordinatorAnswer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'error'; readonly code: string }

const MARKER_RETRY_MS = 20

/** The transaction coordinator as a client of the first transaction protocol meets it (`TransactionCoordinator`). */
export class ModelCoordinator {
  available = true
  readonly #transactions = new Map<string, Transaction>()
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #faults: MarkerFaults
  readonly #limits: CoordinatorLimits
  #nextProducerId = 1000

  constructor(time: VirtualTime, random: Random, faults: MarkerFaults, limits: CoordinatorLimits) {
    this.#time = time
    this.#random = random
    this.#faults = faults
    this.#limits = limits
  }

  initProducerId(id: string, timeoutMs: number): CoordinatorAnswer<{ producerId: number; producerEpoch: number }> {
    if (!this.available) return error('COORDINATOR_NOT_AVAILABLE')
    const known = this.#current(id)
    if (known?.phase.startsWith('Prepare')) return error('CONCURRENT_TRANSACTIONS')
    if (known?.phase === 'Ongoing') {
      // the old owner is fenced at once, the new one comes back when its transaction is aborted
      this.#end(id, { ...known, epoch: known.epoch + 1 }, false)
      return error('CONCURRENT_TRANSACTIONS')
    }
    const used = known === undefined || known.epoch >= this.#limits.lastEpoch
    const producerId = used ? this.#nextProducerId++ : known.producerId
    const epoch = used ? this.#limits.firstEpoch : known.epoch + 1
    this.#set(id, { producerId, epoch, phase: 'Empty', partitions: new Set(), timeoutMs, startedMs: 0 })
    return { kind: 'ok', value: { producerId, producerEpoch: epoch } }
  }

  addPartitions(
    id: string,
    producerId: number,
    epoch: number,
    partitions: readonly ModelPartition[],
  ): CoordinatorAnswer<undefined> {
    const checked = this.#check(id, producerId, epoch)
    if (checked.kind === 'error') return checked
    const known = checked.value
    if (known.phase.startsWith('Prepare')) return error('CONCURRENT_TRANSACTIONS')
    const already = known.phase === 'Ongoing'
    const startedMs = already ? known.startedMs : this.#time.nowMs
    const all = new Set([...(already ? known.partitions : []), ...partitions])
    const ongoing: Transaction = { ...known, phase: 'Ongoing', partitions: all, startedMs }
    this.#set(id, ongoing)
    if (!already) this.#time.after(known.timeoutMs, () => this.#timeOut(id, startedMs))
    return { kind: 'ok', value: undefined }
  }

  endTxn(id: string, producerId: number, epoch: number, commit: boolean): CoordinatorAnswer<undefined> {
    const checked = this.#check(id, producerId, epoch)
    if (checked.kind === 'error') return checked
    const { phase } = checked.value
    if (phase === 'Ongoing') this.#end(id, checked.value, commit)
    else if (phase === (commit ? 'PrepareCommit' : 'PrepareAbort')) return error('CONCURRENT_TRANSACTIONS')
    else if (phase !== (commit ? 'CompleteCommit' : 'CompleteAbort')) return error('INVALID_TXN_STATE')
    return { kind: 'ok', value: undefined }
  }

  describe(id: string): { producerId: number; producerEpoch: number; state: string } | undefined {
    const known = this.#current(id)
    return known && { producerId: known.producerId, producerEpoch: known.epoch, state: known.phase }
  }

  /** Verification of a transactional batch by the partition's leader (Kafka 3.6 and later). */
  isOngoing(producerId: number, epoch: number, partition: ModelPartition): boolean {
    for (const known of this.#transactions.values())
      if (known.producerId === producerId)
        return known.phase === 'Ongoing' && known.epoch === epoch && known.partitions.has(partition)
    return false
  }

  #end(id: string, known: Transaction, commit: boolean): void {
    this.#set(id, { ...known, phase: commit ? 'PrepareCommit' : 'PrepareAbort' })
    const waiting = new Set(known.partitions)
    for (const partition of known.partitions)
      this.#sendMarker(partition, known, commit, () => {
        waiting.delete(partition)
        if (waiting.size > 0) return
        this.#set(id, { ...known, phase: commit ? 'CompleteCommit' : 'CompleteAbort', partitions: new Set() })
      })
  }

  #sendMarker(partition: ModelPartition, known: Transaction, commit: boolean, done: () => void): void {
    const write = (): void => {
      if (partition.leader < 0 && this.#faults.whenLeaderless === 'drop') {
        done()
        return
      }
      // below min ISR the marker hangs, and with it the id (F15)
      if (partition.leader < 0 || partition.belowMinIsr) {
        this.#time.after(MARKER_RETRY_MS, write)
        return
      }
      partition.writeMarker(known.producerId, known.epoch, commit, wallMs(this.#time))
      this.onAppended(partition)
      done()
    }
    this.#time.after(this.#random.next() * this.#faults.maxDelayMs, write)
    if (!this.#random.chance(this.#faults.repeatChance)) return
    this.#time.after(this.#random.next() * this.#faults.repeatMaxDelayMs, () => {
      if (partition.leader < 0 || partition.belowMinIsr) return
      if (partition.writeMarker(known.producerId, known.epoch, commit, wallMs(this.#time))) this.onAppended(partition)
    })
  }

  /** Set by the cluster: something was appended and has to be replicated. */
  onAppended: (partition: ModelPartition) => void = () => {}

  #timeOut(id: string, startedMs: number): void {
    const known = this.#transactions.get(id)
    if (known?.phase === 'Ongoing' && known.startedMs === startedMs)
      this.#end(id, { ...known, epoch: known.epoch + 1 }, false)
  }

  #check(id: string, producerId: number, epoch: number): CoordinatorAnswer<Transaction> {
    if (!this.available) return error('COORDINATOR_NOT_AVAILABLE')
    const known = this.#current(id)
    if (known === undefined || known.producerId !== producerId) return error('INVALID_PRODUCER_ID_MAPPING')
    return known.epoch === epoch ? { kind: 'ok', value: known } : error('PRODUCER_FENCED')
  }

  #set(id: string, transaction: Omit<Transaction, 'usedMs'>): void {
    this.#transactions.set(id, { ...transaction, usedMs: this.#time.nowMs })
  }

  /** F10: forgotten when unused for too long, unless something is going on. */
  #current(id: string): Transaction | undefined {
    const known = this.#transactions.get(id)
    const idle = known === undefined || known.phase === 'Empty' || known.phase.startsWith('Complete')
    if (known === undefined || !idle || this.#time.nowMs - known.usedMs < this.#limits.idExpirationMs) return known
    this.#transactions.delete(id)
    return undefined
  }
}

function error(code: string): { readonly kind: 'error'; readonly code: string } {
  return { kind: 'error', code }
}
