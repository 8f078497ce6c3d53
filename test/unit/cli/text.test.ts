import { expect, test } from 'vitest'
import { bytes, count, seconds, table, wrap } from '../../../src/cli/text.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [2500, '2.5 kB'],
  [300_000, '300 kB'],
  [999_600, '1 MB'],
  [30_000_000, '30 MB'],
  [1_234_567_890, '1.2 GB'],
])('%d bytes are %s', (value, text) => expect(bytes(value)).toBe(text))

test.each([
  [0, '0s'],
  [0.42, '0.4s'],
  [59.4, '59s'],
  [60, '1m'],
  [200, '3m 20s'],
  [3600, '1h'],
  [7500, '2h 5m'],
  [356_400, '4d 3h'],
])('%d seconds are %s', (value, text) => expect(seconds(value)).toBe(text))

test('counts have thousands', () => expect(count(1_234_567.4)).toBe('1,234,567'))

const COLUMNS = [
  { title: 'NAME', of: (row: { name: string; n: number }) => row.name, shrinks: true },
  { title: 'N', of: (row: { name: string; n: number }) => `${row.n}`, align: 'right' as const },
]

test('a table is as wide as it needs, with numbers to the right', () => {
  expect(
    table(
      COLUMNS,
      [
        { name: 'orders', n: 5 },
        { name: 'x', n: 1234 },
      ],
      80,
    ),
  ).toEqual(['NAME       N', 'orders     5', 'x       1234'])
})

test('a table that is too wide cuts only what may be cut', () => {
  const lines = table(COLUMNS, [{ name: 'a'.repeat(60), n: 123_456 }], 40)
  expect(lines.map(line => line.length)).toEqual([40, 40])
  expect(lines[1]).toBe(`${'a'.repeat(31)}…  123456`)
})

test('text is broken at blanks and indented', () => {
  expect(wrap('one two three', 9, '  ')).toEqual(['  one two', '  three'])
  expect(wrap('averyveryverylongword', 9)).toEqual(['averyveryverylongword'])
})
