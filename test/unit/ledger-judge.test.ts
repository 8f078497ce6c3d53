import { describe, expect, test } from 'vitest'
import { buildBatch } from '../../src/record/build-batch.ts'
import { iterateRecords } from '../../src/record/records.ts'
import { type LedgerEntry, ledgerEntry, ledgerId } from '../support/ledger-entry.ts'
import { judgePartition, type PartitionCase } from '../support/ledger-judge.ts'
import { planBatch } from '../support/ledger-plan.ts'
import { seededRandom } from '../support/ledger-random.ts'

function entry(origin: string, sequence: number, offset: number, copied?: string[]): LedgerEntry {
  const id = ledgerId(origin, 'p', sequence)
  return {
    offset,
    id,
    origin,
    fields: { timestampMs: sequence, key: id, value: 'v', headers: '' },
    provenance: copied
      ? { sourceDcs: [origin], replicatedAt: copied, positions: 0 }
      : { sourceDcs: [], replicatedAt: [], positions: 0 },
  }
}

const STAMP = '1700000000000'
const eu = (sequence: number, offset = sequence) => entry('eu', sequence, offset)
const copy = (sequence: number, offset = sequence) => entry('eu', sequence, offset, [STAMP])

function judged(us: LedgerEntry[], change: Partial<PartitionCase> = {}, own = [eu(0), eu(1), eu(2)]) {
  return judgePartition({
    topic: 't',
    partition: 0,
    logs: new Map([
      ['eu', own],
      ['us', us],
    ]),
    hops: () => 1,
    acked: new Map([['eu', own.map(each => each.id!)]]),
    ...change,
  })
}

describe('the judge', () => {
  test('is content with one copy of each record in order', () => {
    const verdict = judged([copy(0, 5), copy(1, 7), copy(2, 8)])
    expect(verdict.exact).toBe(true)
    expect(verdict.dcs.us).toMatchObject({ expected: 3, present: 3 })
    expect(verdict.dcs.eu).toMatchObject({ expected: 3, present: 3 })
  })

  test('notices a missing record', () => {
    const verdict = judged([copy(0), copy(2)])
    expect(verdict.dcs.us).toMatchObject({ expected: 3, present: 2, missing: 1, outOfOrder: 0 })
    expect(verdict.differences[0]?.detail).toContain('eu.p#1')
  })

  test('notices a second copy', () => {
    expect(judged([copy(0), copy(1), copy(2), copy(1, 9)]).dcs.us).toMatchObject({ present: 3, duplicated: 1 })
  })

  test('notices a copy that stands before its predecessor', () => {
    expect(judged([copy(1), copy(0), copy(2)]).dcs.us).toMatchObject({ present: 3, outOfOrder: 1, missing: 0 })
  })

  test.each(['timestampMs', 'key', 'value', 'headers'] as const)('notices a different %s', field => {
    const wrong = { ...copy(1), fields: { ...copy(1).fields, [field]: 'other' } }
    const verdict = judged([copy(0), wrong as LedgerEntry, copy(2)])
    expect(verdict.dcs.us).toMatchObject({ present: 3, differing: 1 })
    expect(verdict.differences[0]?.detail).toContain(field)
  })

  test.each([
    ['no source-dc', { sourceDcs: [], replicatedAt: [STAMP], positions: 0 }],
    ['another source-dc', { sourceDcs: ['ap'], replicatedAt: [STAMP], positions: 0 }],
    ['a source-dc that an application had copied', { sourceDcs: ['ap', 'eu'], replicatedAt: [STAMP], positions: 0 }],
    ['no replicated-at', { sourceDcs: ['eu'], replicatedAt: [], positions: 0 }],
    ['a replicated-at too many', { sourceDcs: ['eu'], replicatedAt: [STAMP, STAMP], positions: 0 }],
    ['a replicated-at that is no time', { sourceDcs: ['eu'], replicatedAt: ['soon'], positions: 0 }],
    ['two positions', { sourceDcs: ['eu'], replicatedAt: [STAMP], positions: 2 }],
  ])('notices %s', (_, provenance) => {
    expect(judged([copy(0), { ...copy(1), provenance }, copy(2)]).dcs.us).toMatchObject({ differing: 1 })
  })

  test('notices a record that its origin does not hold: aborted, or made up', () => {
    expect(judged([copy(0), copy(1), copy(2), copy(7)]).dcs.us).toMatchObject({ present: 3, unexpected: 1 })
  })

  test('notices a record that nobody wrote', () => {
    expect(judged([copy(0), copy(1), copy(2), { ...copy(3), id: undefined, origin: undefined }]).dcs.us).toMatchObject({
      unexpected: 1,
    })
  })

  test('notices records where policy forbids them, and misses none there', () => {
    const verdict = judged([copy(0)], { hops: (_, target) => (target === 'us' ? undefined : 1) })
    expect(verdict.dcs.us).toMatchObject({ expected: 0, missing: 0, unexpected: 1 })
  })

  test('notices a record that came back to its origin', () => {
    const own = [eu(0), eu(1), eu(2), copy(0, 3)]
    expect(judged([copy(0), copy(1), copy(2)], {}, own).dcs.eu).toMatchObject({ duplicated: 1 })
  })

  test('notices an acknowledged record that its origin lost', () => {
    const verdict = judged([copy(0), copy(1), copy(2)], { acked: new Map([['eu', ['eu.p#99']]]) })
    expect(verdict.dcs.eu).toMatchObject({ missing: 1 })
  })

  test('lets a reported gap lack its records and no others', () => {
    const excused = (_: string, offset: number) => offset === 1
    expect(judged([copy(0), copy(2)], { excused }).dcs.us).toMatchObject({ expected: 2, present: 2, missing: 0 })
    expect(judged([copy(0)], { excused }).dcs.us).toMatchObject({ expected: 2, missing: 1 })
  })
})

describe('planned batches', () => {
  test('are the same for the same seed', () => {
    const author = { dc: 'eu', producer: 'p', sequence: 7, nowMs: 1_700_000_000_000 }
    const once = Array.from({ length: 20 }, () => 0).map((_, i) => planBatch(seededRandom(i), author, 'small'))
    const again = Array.from({ length: 20 }, () => 0).map((_, i) => planBatch(seededRandom(i), author, 'small'))
    expect(again).toEqual(once)
  })

  test.each(['single', 'small', 'medium', 'ten-thousand', 'one-megabyte'] as const)(
    'of shape %s are read back with their ids',
    shape => {
      const random = seededRandom(11)
      for (let round = 0; round < 5; round++) {
        const author = { dc: 'eu', producer: 'p', sequence: round * 100_000, nowMs: 1_700_000_000_000 }
        const planned = planBatch(random, author, shape)
        const ready = buildBatch(planned.records, planned.codec)
        const read = [...iterateRecords(Buffer.concat([ready.header, ...ready.body]))].map(each =>
          ledgerEntry('t', each),
        )
        expect(read.map(each => each.id)).toEqual(planned.ids)
        expect(read.every(each => each.origin === 'eu')).toBe(true)
      }
    },
  )
})
