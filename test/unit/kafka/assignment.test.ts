import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignSticky, type GroupMember } from '../../../src/kafka/sticky-assignment.ts'

const members = (...owned: number[][]): GroupMember[] =>
  owned.map((partitions, i) => ({ id: `m${i}`, node: `n${i}`, owned: partitions }))

test('every partition has exactly one owner and shares differ by one at most', () => {
  const claims = fc.array(fc.array(fc.nat(40)), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(claims, fc.nat(40), (owned, count) => {
      const assigned = [...assignSticky(members(...owned), count).values()]
      expect(assigned.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
      const sizes = assigned.map(partitions => partitions.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }),
  )
})

test('a balanced group stays as it is, in whatever order its members are listed', () => {
  const group = members([0, 3], [1, 2], [4, 5])
  const expected = new Map(group.map(member => [member.id, [...member.owned]]))
  expect(new Map(assignSticky(group, 6))).toEqual(expected)
  expect(new Map(assignSticky(group.toReversed(), 6))).toEqual(expected)
})

test('who joins gets its share and nothing else moves', () => {
  const assigned = assignSticky(members([0, 1, 2, 3], [4, 5, 6, 7], []), 8)
  expect(assigned.get('m2')).toHaveLength(2)
  expect([0, 1, 2, 3]).toEqual(expect.arrayContaining(assigned.get('m0')!))
  expect([4, 5, 6, 7]).toEqual(expect.arrayContaining(assigned.get('m1')!))
})

test('who leaves is shared out and nothing else moves', () => {
  const assigned = assignSticky(members([0, 1], [4, 5]), 6)
  expect(assigned.get('m0')).toEqual(expect.arrayContaining([0, 1]))
  expect(assigned.get('m1')).toEqual(expect.arrayContaining([4, 5]))
})
