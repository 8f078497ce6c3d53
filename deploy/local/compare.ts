/**
 * Compares what several data centers hold of one topic partition with what was produced: every record once, in the
 * order of its origin, byte for byte. Pure; reading the logs is log-tail.ts.
 */

/** One committed record of a log, or one that was produced. */
export interface LoggedRecord {
  /** `origin/number`; undefined: a record that nobody of us produced. */
  readonly id: string | undefined
  /** Equal if and only if timestamp, key, value and headers are, provenance aside. */
  readonly fingerprint: string
}

/** What one data center holds. Exact: `present` equals `expected` and everything else is 0. */
export interface DcCounts {
  expected: number
  present: number
  missing: number
  duplicated: number
  outOfOrder: number
  differing: number
  /** Records that nobody produced. */
  unexpected: number
}

export interface PartitionLogs {
  /** By data center, in log order. */
  readonly logs: ReadonlyMap<string, readonly LoggedRecord[]>
  /** What was acknowledged to the producers, by id. */
  readonly acked: ReadonlyMap<string, LoggedRecord>
}

export function originOf(id: string): string {
  return id.slice(0, id.indexOf('/'))
}

/** Adds the counts of one partition to those of each data center. */
export function comparePartition(partition: PartitionLogs, counts: ReadonlyMap<string, DcCounts>): void {
  const expected = expectedRecords(partition)
  for (const [dc, log] of partition.logs) compareLog(log, expected, counts.get(dc)!)
}

export function newCounts(dcs: readonly string[]): Map<string, DcCounts> {
  const none = { expected: 0, present: 0, missing: 0, duplicated: 0, outOfOrder: 0, differing: 0, unexpected: 0 }
  return new Map(dcs.map(dc => [dc, { ...none }]))
}

export function isExact(counts: DcCounts): boolean {
  const { expected, present, missing, duplicated, outOfOrder, differing, unexpected } = counts
  return present === expected && missing + duplicated + outOfOrder + differing + unexpected === 0
}

interface Expected {
  readonly fingerprint: string
  /** Place in its origin's log; -1 when it is acknowledged and not there. */
  readonly place: number
}

/**
 * What was acknowledged, and what else stands in its origin's log: a producer may have lost the answer, but a record
 * that its own data center holds must reach the others.
 */
function expectedRecords({ logs, acked }: PartitionLogs): Map<string, Expected> {
  const expected = new Map<string, Expected>()
  for (const [id, { fingerprint }] of acked) expected.set(id, { fingerprint, place: -1 })
  for (const [dc, log] of logs) {
    log.forEach(({ id, fingerprint }, place) => {
      if (id === undefined || originOf(id) !== dc) return
      const known = expected.get(id)
      if (known === undefined || known.place === -1)
        expected.set(id, { fingerprint: known?.fingerprint ?? fingerprint, place })
    })
  }
  return expected
}

function compareLog(log: readonly LoggedRecord[], expected: ReadonlyMap<string, Expected>, counts: DcCounts): void {
  const seen = new Set<string>()
  /** Highest place so far by origin. */
  const reached = new Map<string, number>()
  for (const { id, fingerprint } of log) {
    const wanted = id === undefined ? undefined : expected.get(id)
    if (id === undefined || wanted === undefined) counts.unexpected++
    else if (seen.has(id)) counts.duplicated++
    else {
      seen.add(id)
      if (fingerprint !== wanted.fingerprint) counts.differing++
      const origin = originOf(id)
      if (wanted.place < (reached.get(origin) ?? -1)) counts.outOfOrder++
      else reached.set(origin, wanted.place)
    }
  }
  counts.expected += expected.size
  counts.present += seen.size
  counts.missing += expected.size - seen.size
}
