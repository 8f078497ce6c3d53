import type { LedgerEntry } from './ledger-entry.ts'

/** Key to the fields of its last record, as a reader of a compacted topic ends up with; tombstones remove. */
export function finalMap(entries: readonly LedgerEntry[], origin: string): Map<string, string> {
  const map = new Map<string, string>()
  for (const { origin: from, fields } of entries) {
    if (from !== origin) continue
    if (fields.value === 'null') map.delete(fields.key)
    else map.set(fields.key, JSON.stringify([fields.timestampMs, fields.value]))
  }
  return map
}

/** What differs between two final maps, at most 20 lines. */
export function mapDifferences(expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  const differences: string[] = []
  for (const [key, value] of expected) {
    if (found.get(key) !== value) differences.push(`${key}: expected ${value}, found ${found.get(key)}`)
  }
  for (const key of found.keys()) if (!expected.has(key)) differences.push(`${key}: should be gone`)
  return differences.slice(0, 20)
}
