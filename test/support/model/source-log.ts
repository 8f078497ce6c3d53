import { buildBatch } from '../../../src/record/build-batch.ts'
import { placeBatch, stampBatch } from './batch-bytes.ts'
import type { Random } from './random.ts'
import { SIMULATION_EPOCH_MS } from './virtual-time.ts'

/** One stretch of the origin's log: records that cross, or offsets that do not (markers, aborted, foreign, compacted away). */
export interface SourcePiece {
  readonly from: number
  readonly next: number
  readonly bytes: Buffer | undefined
  /** When it is produced, ms of the run. */
  readonly producedAtMs: number
}

export interface SourceRecord {
  readonly offset: number
  readonly value: string
}

export interface SourcePlan {
  readonly records: number
  /** Produced evenly over this time. */
  readonly overMs: number
  readonly holeChance: number
  /** A stretch of records whose time is this long before they are produced (F9). */
  readonly old: { readonly chance: number; readonly ageMs: number }
}

const APPLICATION_PRODUCER_ID = 77

/** The origin's log of one partition: made once per run, revealed as time goes on. */
export class SourceLog {
  readonly topicId = '11111111-1111-4111-8111-111111111111'
  readonly leaderEpoch = 3
  readonly pieces: readonly SourcePiece[]
  /** What must stand in the target, in this order. */
  readonly expected: readonly SourceRecord[]
  logStart = 0

  constructor(random: Random, plan: SourcePlan) {
    const pieces: SourcePiece[] = []
    const expected: SourceRecord[] = []
    let offset = 0
    let old = false
    while (expected.length < plan.records) {
      const producedAtMs = (expected.length / plan.records) * plan.overMs
      if (random.chance(plan.holeChance)) {
        const next = offset + random.between(1, 4)
        pieces.push({ from: offset, next, bytes: undefined, producedAtMs })
        offset = next
        continue
      }
      if (random.chance(0.1)) old = random.chance(plan.old.chance)
      const count = Math.min(random.between(1, 4), plan.records - expected.length)
      const values = Array.from({ length: count }, (_, i) => `r${offset + i}`)
      const timestampMs = Math.floor(SIMULATION_EPOCH_MS + producedAtMs - (old ? plan.old.ageMs : 0))
      pieces.push({ from: offset, next: offset + count, bytes: this.#batch(values, offset, timestampMs), producedAtMs })
      expected.push(...values.map((value, i) => ({ offset: offset + i, value })))
      offset += count
    }
    this.pieces = pieces
    this.expected = expected
  }

  highWatermark(nowMs: number): number {
    let end = 0
    for (const piece of this.pieces) if (piece.producedAtMs <= nowMs) end = piece.next
    return end
  }

  /** When the next piece appears; undefined when all are there. */
  nextProducedMs(nowMs: number): number | undefined {
    return this.pieces.find(piece => piece.producedAtMs > nowMs)?.producedAtMs
  }

  /** Something that an application of the target writes into its copy of the topic. */
  localRecord(): Buffer {
    const record = { timestampMs: SIMULATION_EPOCH_MS, key: null, value: Buffer.from('local'), headers: [] }
    const nobody = { producerId: -1, producerEpoch: -1, firstSequence: -1, transactional: false }
    return stampBatch(buildBatch([record]), nobody)
  }

  #batch(values: readonly string[], baseOffset: number, timestampMs: number): Buffer {
    const records = values.map(value => ({
      timestampMs,
      key: Buffer.from('k'),
      value: Buffer.from(value),
      headers: [],
    }))
    const stamp = {
      producerId: APPLICATION_PRODUCER_ID,
      producerEpoch: 0,
      firstSequence: baseOffset,
      transactional: false,
    }
    return placeBatch(stampBatch(buildBatch(records), stamp), baseOffset, this.leaderEpoch)
  }
}
