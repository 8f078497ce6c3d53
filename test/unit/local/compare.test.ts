import { expect, test } from 'vitest'
import {
  comparePartition,
  type DcCounts,
  isExact,
  type LoggedRecord,
  newCounts,
} from '../../../deploy/local/compare.ts'

const record = (id: string | undefined, fingerprint = `bytes of ${id}`): LoggedRecord => ({ id, fingerprint })
const records = (...ids: string[]) => ids.map(id => record(id))

function compare(eu: LoggedRecord[], us: LoggedRecord[], acked: LoggedRecord[]): Map<string, DcCounts> {
  const counts = newCounts(['eu', 'us'])
  const logs = new Map([
    ['eu', eu],
    ['us', us],
  ])
  comparePartition({ logs, acked: new Map(acked.map(each => [each.id!, each])) }, counts)
  return counts
}

const ACKED = records('eu/0', 'eu/1', 'us/0')

test('logs that hold every record once are exact, however the origins interleave', () => {
  const counts = compare(records('eu/0', 'us/0', 'eu/1'), records('us/0', 'eu/0', 'eu/1'), ACKED)
  expect([...counts.values()].every(isExact)).toBe(true)
  expect(counts.get('us')).toMatchObject({ expected: 3, present: 3 })
})

test.each([
  ['missing', records('us/0', 'eu/0')],
  ['duplicated', records('us/0', 'eu/0', 'eu/1', 'eu/0')],
  ['outOfOrder', records('us/0', 'eu/1', 'eu/0')],
  ['differing', [record('us/0'), record('eu/0'), record('eu/1', 'other bytes')]],
  ['unexpected', [...records('us/0', 'eu/0', 'eu/1'), record(undefined)]],
  ['unexpected', records('us/0', 'eu/0', 'eu/1', 'eu/77')],
] as const)('%s is counted at the data center where it is so, and only there', (kind, us) => {
  const counts = compare(records('eu/0', 'us/0', 'eu/1'), [...us], ACKED)
  expect(counts.get('us')).toMatchObject({ [kind]: 1 })
  expect(isExact(counts.get('us')!)).toBe(false)
  expect(isExact(counts.get('eu')!)).toBe(true)
})

test('a record that was acknowledged and stands nowhere is missing everywhere', () => {
  const counts = compare(records('eu/0', 'us/0'), records('us/0', 'eu/0'), ACKED)
  expect(counts.get('eu')).toMatchObject({ expected: 3, present: 2, missing: 1 })
  expect(counts.get('us')).toMatchObject({ expected: 3, present: 2, missing: 1 })
})

test('a record whose acknowledgement was lost must cross if its own data center holds it', () => {
  const counts = compare(records('eu/0', 'eu/9', 'us/0', 'eu/1'), records('us/0', 'eu/0', 'eu/1'), ACKED)
  expect(isExact(counts.get('eu')!)).toBe(true)
  expect(counts.get('us')).toMatchObject({ expected: 4, present: 3, missing: 1 })
})
