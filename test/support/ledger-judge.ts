import type { LedgerEntry, RecordFields } from './ledger-entry.ts'

/** What one data center holds of what it should. All zeros but `expected` and `present`, which are equal: exact. */
export interface LedgerCounts {
  expected: number
  present: number
  missing: number
  duplicated: number
  outOfOrder: number
  /** Bytes, timestamp or provenance are not what they should be. */
  differing: number
  /** Records that have no business there: forbidden by policy, aborted, never written at their origin, or nobody's. */
  unexpected: number
}

export interface LedgerDifference {
  readonly kind: 'missing' | 'duplicated' | 'outOfOrder' | 'differing' | 'unexpected'
  readonly dc: string
  readonly topic: string
  readonly partition: number
  readonly detail: string
}

/** Differences kept for printing; all are counted. */
const MAX_DIFFERENCES = 20

export class LedgerVerdict {
  readonly dcs: Record<string, LedgerCounts> = {}
  readonly differences: LedgerDifference[] = []

  counts(dc: string): LedgerCounts {
    this.dcs[dc] ??= { expected: 0, present: 0, missing: 0, duplicated: 0, outOfOrder: 0, differing: 0, unexpected: 0 }
    return this.dcs[dc]
  }

  note(difference: LedgerDifference): void {
    this.counts(difference.dc)[difference.kind]++
    if (this.differences.length < MAX_DIFFERENCES) this.differences.push(difference)
  }

  get exact(): boolean {
    const faults = Object.values(this.dcs).map(
      each => each.missing + each.duplicated + each.outOfOrder + each.differing + each.unexpected,
    )
    return faults.every(count => count === 0)
  }

  add(other: LedgerVerdict): void {
    for (const [dc, counts] of Object.entries(other.dcs)) {
      const own = this.counts(dc)
      for (const name of Object.keys(counts) as (keyof LedgerCounts)[]) own[name] += counts[name]
    }
    this.differences.push(...other.differences.slice(0, MAX_DIFFERENCES - this.differences.length))
  }

  /** For a failing test: the counts and the first differences. */
  toString(): string {
    const lines = Object.entries(this.dcs).map(([dc, counts]) => `${dc}: ${JSON.stringify(counts)}`)
    for (const each of this.differences) {
      lines.push(`  ${each.kind} in ${each.dc} ${each.topic}-${each.partition}: ${each.detail}`)
    }
    return lines.join('\n')
  }
}

/** One partition number of one topic, as all data centers hold it. */
export interface PartitionCase {
  readonly topic: string
  readonly partition: number
  /** Committed records in log order, by data center. */
  readonly logs: ReadonlyMap<string, readonly LedgerEntry[]>
  /** Gateways a record of `origin` has passed when it stands in `target`; undefined: it must not be there. */
  hops(origin: string, target: string, topic: string): number | undefined
  /** Ids that were acknowledged, by origin: each must stand in its origin's log, or the ledger itself is void. */
  readonly acked: ReadonlyMap<string, readonly string[]>
  /** Offsets of the origin's log that a target may lack: gaps that were reported, what was deleted on purpose. */
  excused?(origin: string, offset: number): boolean
}

/**
 * Every acknowledged record must stand in every allowed data center once, in its origin's order, with the same bytes;
 * what was not acknowledged counts as written where its origin holds it. The origin's own log is the measure.
 */
export function judgePartition(test: PartitionCase): LedgerVerdict {
  const verdict = new LedgerVerdict()
  const { topic, partition } = test
  const written = new Map<string, LedgerEntry[]>()
  for (const [dc, log] of test.logs) {
    const own = log.filter(entry => entry.origin === dc)
    written.set(dc, own)
    const counts = verdict.counts(dc)
    judgeOrigin(verdict, test, dc, own)
    counts.expected += own.length
    counts.present += own.length
    for (const entry of log) {
      if (entry.origin !== undefined && test.logs.has(entry.origin)) continue
      verdict.note({ kind: 'unexpected', dc, topic, partition, detail: `offset ${entry.offset}: nobody's record` })
    }
  }
  for (const [origin, expected] of written) {
    for (const [target, log] of test.logs) {
      if (target !== origin) {
        judgeCopies(verdict, test, { origin, target, expected, found: log.filter(entry => entry.origin === origin) })
      }
    }
  }
  return verdict
}

/** A local record stands once in its own log, and acknowledged ones are there. */
function judgeOrigin(verdict: LedgerVerdict, test: PartitionCase, dc: string, own: readonly LedgerEntry[]): void {
  const { topic, partition } = test
  const ids = new Set<string>()
  for (const { id, offset } of own) {
    if (ids.has(id!)) {
      const detail = `${id} again at offset ${offset}: it came back to its origin`
      verdict.note({ kind: 'duplicated', dc, topic, partition, detail })
    }
    ids.add(id!)
  }
  for (const id of test.acked.get(dc) ?? []) {
    if (ids.has(id)) continue
    const detail = `${id} was acknowledged and is not in its origin's own log`
    verdict.note({ kind: 'missing', dc, topic, partition, detail })
  }
}

interface Copies {
  readonly origin: string
  readonly target: string
  readonly expected: readonly LedgerEntry[]
  readonly found: readonly LedgerEntry[]
}

function judgeCopies(verdict: LedgerVerdict, test: PartitionCase, copies: Copies): void {
  const { topic, partition } = test
  const { origin, target, expected, found } = copies
  const hops = test.hops(origin, target, topic)
  const place = { dc: target, topic, partition }
  const counts = verdict.counts(target)
  if (hops !== undefined) counts.expected += expected.length
  const indexes = new Map(expected.map((entry, index) => [entry.id, index]))
  const seenAt = new Map<number, number>()
  let furthest = -1
  for (const entry of found) {
    const index = indexes.get(entry.id)
    if (hops === undefined || index === undefined) {
      const why = hops === undefined ? 'must not be here' : `is not in the log of ${origin}`
      verdict.note({ kind: 'unexpected', ...place, detail: `${entry.id} at offset ${entry.offset} ${why}` })
      continue
    }
    const before = seenAt.get(index)
    if (before !== undefined) {
      verdict.note({ kind: 'duplicated', ...place, detail: `${entry.id} at offsets ${before} and ${entry.offset}` })
      continue
    }
    seenAt.set(index, entry.offset)
    counts.present++
    if (index < furthest) {
      const detail = `${entry.id} at offset ${entry.offset} stands after ${expected[furthest]!.id}`
      verdict.note({ kind: 'outOfOrder', ...place, detail })
    }
    furthest = Math.max(furthest, index)
    const wrong = difference(expected[index]!, entry) ?? wrongProvenance(entry, origin, hops)
    if (wrong !== undefined) {
      verdict.note({ kind: 'differing', ...place, detail: `${entry.id} at offset ${entry.offset}: ${wrong}` })
    }
  }
  if (hops === undefined) return
  for (const [index, entry] of expected.entries()) {
    if (seenAt.has(index)) continue
    if (test.excused?.(origin, entry.offset)) counts.expected--
    else verdict.note({ kind: 'missing', ...place, detail: `${entry.id} (offset ${entry.offset} in ${origin})` })
  }
}

/** What is not the same in the copy, or undefined. */
function difference(original: LedgerEntry, copy: LedgerEntry): string | undefined {
  for (const field of ['timestampMs', 'key', 'value', 'headers'] as const satisfies (keyof RecordFields)[]) {
    if (original.fields[field] !== copy.fields[field]) {
      return `${field} was ${original.fields[field]}, is ${copy.fields[field]}`
    }
  }
  return undefined
}

/** `source-dc` once, naming the origin; `replicated-at` once a hop, in ms; the position at most once. */
function wrongProvenance(copy: LedgerEntry, origin: string, hops: number): string | undefined {
  const { sourceDcs, replicatedAt, positions } = copy.provenance
  if (sourceDcs.length !== 1 || sourceDcs[0] !== origin) return `source-dc is [${sourceDcs}], not ${origin}`
  if (replicatedAt.length !== hops) return `${replicatedAt.length} replicated-at, not ${hops}`
  if (!replicatedAt.every(stamp => /^\d{13}$/.test(stamp))) return `replicated-at is [${replicatedAt}]`
  return positions > 1 ? `${positions} isthmus-position headers` : undefined
}
