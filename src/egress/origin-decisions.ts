import { GatewayError } from '../errors.ts'
import { baseOffsetOf, lastOffsetDeltaOf } from '../record/batch.ts'
import type { CommittedScan } from '../record/committed-scan.ts'
import type { PositionHeader } from '../record/position.ts'
import { decodePosition, isOfOtherVersion } from '../record/position.ts'
import { ISTHMUS_POSITION } from '../record/provenance.ts'
import { lastRecord } from '../record/records.ts'
import { REMEMBERED_PRODUCERS } from './limits.ts'
import type { OriginRegistry } from './ports.ts'

/** Whose a batch is. */
export type Verdict =
  | { readonly kind: 'local' }
  | { readonly kind: 'replica'; readonly origin: string; readonly topic: string; readonly partition: number }
  /** Not known before the registry was read to its end once more. */
  | { readonly kind: 'ask-registry' }
  /** Registry and log contradict each other: nothing of this partition may leave. */
  | { readonly kind: 'broken'; readonly why: string }

const LOCAL: Verdict = { kind: 'local' }
const ASK_REGISTRY: Verdict = { kind: 'ask-registry' }
/** Producers without an identity: ours always have one. */
const NO_PRODUCER_ID = -1
const EPOCHS = 0x1_0000

/**
 * Tells by a batch's producerId whether its records were produced here (exactly-once.md 2.5). One for all sessions of
 * a node: a producerId belongs to one writer for ever, so a decision holds for ever.
 */
export class OriginDecisions {
  readonly #registry: OriginRegistry
  readonly #clusterHash: Buffer
  /** Looked up in a registry that was read to its end after the batch had been read. */
  readonly #applications = new Set<number>()
  /** (producerId, epoch) pairs of which one last record was looked at. */
  readonly #inspected = new Set<number>()
  #catchingUp: Promise<void> | undefined
  #nextCatchUp: Promise<void> | undefined

  constructor(registry: OriginRegistry, ourClusterHash: Buffer) {
    this.#registry = registry
    this.#clusterHash = ourClusterHash
  }

  /** Whose the batch is that the scan stands at, in `records`. Never throws. */
  verdict(scan: CommittedScan, records: Buffer): Verdict {
    const { producerId, producerEpoch } = scan
    if (producerId === NO_PRODUCER_ID) return LOCAL
    const writer = this.#registry.writer(producerId)
    if (writer === undefined && !this.#applications.has(producerId)) return ASK_REGISTRY
    const pair = producerId * EPOCHS + producerEpoch
    if (!this.#inspected.has(pair)) {
      const said = this.#inspect(records.subarray(scan.start, scan.end), producerId)
      if (said === 'nothing') return writer === undefined ? LOCAL : { kind: 'replica', ...writer }
      const why = contradiction(said, writer !== undefined, scan)
      if (why !== undefined) return { kind: 'broken', why }
      this.#remember(this.#inspected, pair)
    }
    return writer === undefined ? LOCAL : { kind: 'replica', ...writer }
  }

  /**
   * Reads the registry to its end, beginning after this call: only then is an absent entry conclusive for a batch that
   * was read before. Calls while one is under way share the one after it. Rejects when the registry cannot be read.
   */
  settle(producerIds: Iterable<number>): Promise<void> {
    return this.#catchUp().then(() => {
      for (const producerId of producerIds) {
        if (this.#registry.writer(producerId) === undefined) this.#remember(this.#applications, producerId)
      }
    })
  }

  #catchUp(): Promise<void> {
    if (this.#catchingUp === undefined) {
      this.#catchingUp = this.#registry.catchUp().finally(() => {
        this.#catchingUp = undefined
      })
      return this.#catchingUp
    }
    this.#nextCatchUp ??= this.#catchingUp
      .catch(() => {})
      .then(() => {
        this.#nextCatchUp = undefined
        return this.#catchUp()
      })
    return this.#nextCatchUp
  }

  /** What the last record of a batch says about its writer. */
  #inspect(batch: Buffer, producerId: number): 'ours' | 'not ours' | 'nothing' {
    try {
      const record = lastRecord(batch)
      if (record === undefined || record.offset !== baseOffsetOf(batch) + lastOffsetDeltaOf(batch)) return 'nothing'
      const value = record.headers.findLast(({ key }) => key === ISTHMUS_POSITION)?.value
      if (value && isOfOtherVersion(value)) return 'nothing'
      return value && this.#names(decodePosition(value), producerId) ? 'ours' : 'not ours'
    } catch (error) {
      // Bytes that cannot be read are found by whoever needs them; an application's header may hold anything.
      if (error instanceof GatewayError) return error.code === 'POSITION_BROKEN' ? 'not ours' : 'nothing'
      throw error
    }
  }

  #names(position: PositionHeader, producerId: number): boolean {
    return position.producerId === producerId && position.clusterHash.equals(this.#clusterHash)
  }

  #remember(set: Set<number>, value: number): void {
    if (set.size >= REMEMBERED_PRODUCERS) set.clear()
    set.add(value)
  }
}

function contradiction(said: 'ours' | 'not ours', registered: boolean, scan: CommittedScan): string | undefined {
  const batch = `the batch at offset ${scan.baseOffset} of producerId ${scan.producerId}`
  if (said === 'ours' && !registered)
    return `${batch} was written by a gateway of this cluster, but the registry does not know it: the registry was lost or rolled back`
  if (said === 'not ours' && registered)
    return `${batch} was not written by a gateway, but the registry says so: producerIds were given out twice, or the cluster was restored from a copy`
  return undefined
}
