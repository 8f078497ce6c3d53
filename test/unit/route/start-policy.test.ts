import { describe, expect, test } from 'vitest'
import { judgeFirstStart, parseStart, startChooser, startProblem } from '../../../src/route/start-policy.ts'

describe('start policy', () => {
  test.each(['earliest', 'latest', '2026-03-01T00:00:00Z', '2026-03-01T00:00+02:00'])('%s is a start', text => {
    expect(startProblem(text)).toBeUndefined()
  })
  test.each(['', 'first', '2026-03-01', '2026-03-01T00:00:00', '1700000000', '2026-13-01T00:00:00Z'])(
    '%j is not',
    text => {
      expect(startProblem(text)).toContain('is not a start')
    },
  )

  test('the first rule that matches decides, the default is earliest', () => {
    const choose = startChooser([
      { match: 'orders.*', start: parseStart('latest'), confirmed: false },
      { match: '*', start: parseStart('2026-03-01T00:00:00Z'), confirmed: false },
    ])
    expect(choose('orders.eu').start).toEqual({ kind: 'latest' })
    expect(choose('clicks').start).toEqual({ kind: 'timestamp', timestampMs: Date.UTC(2026, 2, 1) })
    expect(startChooser([])('clicks').start).toEqual({ kind: 'earliest' })
  })

  test('a filled target is refused only from earliest, and only until confirmed', () => {
    const choice = (kind: 'earliest' | 'latest', confirmed: boolean) =>
      ({ start: { kind }, confirmed, why: '' }) as const
    expect(judgeFirstStart('orders', choice('earliest', false), true).kind).toBe('refused')
    expect(judgeFirstStart('orders', choice('earliest', true), true).kind).toBe('start')
    expect(judgeFirstStart('orders', choice('earliest', false), false).kind).toBe('start')
    expect(judgeFirstStart('orders', choice('latest', false), true).kind).toBe('start')
  })
})
