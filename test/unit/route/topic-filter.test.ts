import { describe, expect, test } from 'vitest'
import { residencyFilter, wishFilter } from '../../../src/route/topic-filter.ts'
import { patternProblem } from '../../../src/route/topic-pattern.ts'

describe('what the target wants', () => {
  const cases: [include: string[], exclude: string[], topic: string, outcome: string][] = [
    [['orders'], [], 'orders', 'crosses'],
    [['orders'], [], 'orders2', 'not-included'],
    [['orders'], [], 'my-orders', 'not-included'],
    [['orders.*'], [], 'orders.eu', 'crosses'],
    [['orders.*'], [], 'ordersXeu', 'not-included'],
    [['order?'], [], 'orders', 'crosses'],
    [['order?'], [], 'order', 'not-included'],
    [['*'], [], 'a.b-c_D', 'crosses'],
    [['*'], ['*.internal'], 'a.internal', 'excluded'],
    [['a.internal'], ['*.internal'], 'a.internal', 'excluded'],
    [['/^clicks-\\d+$/'], [], 'clicks-12', 'crosses'],
    [['/^clicks-\\d+$/'], [], 'clicks-x', 'not-included'],
    [['/clicks/'], [], 'eu.clicks.raw', 'crosses'],
    [[], [], 'orders', 'not-included'],
    [['*'], [], '__secret', 'reserved'],
    [['/./'], [], '__secret', 'reserved'],
    [['__*'], [], '__secret', 'crosses'],
    [['__secret'], [], '__secret', 'crosses'],
    [['__*', '*'], [], '__consumer_offsets', 'never'],
    [['__consumer_offsets'], [], '__consumer_offsets', 'never'],
    [['__isthmus.registry'], [], '__isthmus.registry', 'never'],
    [['*'], [], 'orders.retry.1', 'reserved'],
    [['orders.*'], [], 'orders.retry.1', 'reserved'],
    [['*.retry.*'], [], 'orders.retry.1', 'crosses'],
    [['orders.retry.1'], [], 'orders.retry.1', 'crosses'],
    [['*'], [], 'orders.retry.soon', 'crosses'],
    [['*'], [], 'orders.dlq', 'reserved'],
    [['*.dlq'], [], 'orders.dlq', 'crosses'],
    [['*', 'orders.dlq'], [], 'orders.dlq', 'crosses'],
    [['*'], [], 'bad name', 'illegal-name'],
  ]
  test.each(cases)('include %j exclude %j: %s is %s', (include, exclude, topic, outcome) => {
    const decision = wishFilter({ include, exclude })(topic)
    expect(decision.kind === 'crosses' ? 'crosses' : decision.reason).toBe(outcome)
    expect(decision.why).not.toBe('')
  })

  test('the reason names the pattern that decided', () => {
    expect(wishFilter({ include: ['*'], exclude: ['*.internal'] })('a.internal').why).toBe(
      'topics.exclude has "*.internal"',
    )
  })

  test.each(['', '/(/', '/open', 'a b', 'a|b'])('the pattern %j is refused with words', text => {
    expect(patternProblem(text)).toBeDefined()
  })
})

describe('what the source gives', () => {
  const residency = residencyFilter({
    rules: [
      { match: '*', allowDcs: ['us', 'ap'] },
      { match: 'payments.*', allowDcs: ['us'] },
      { match: 'secret', allowDcs: [] },
    ],
    otherwise: 'allow',
  })

  test('a broad rule never undoes a strict one, in either order', () => {
    expect(residency('payments.cards', 'us').kind).toBe('crosses')
    expect(residency('payments.cards', 'ap')).toMatchObject({ kind: 'refused', reason: 'residency' })
    expect(residency('orders', 'ap').kind).toBe('crosses')
    expect(residency('secret', 'us').why).toBe('the rule "secret" allows no data center, not us')
  })

  test('topics without a rule follow the default', () => {
    const rules = [{ match: 'a', allowDcs: ['us'] }]
    expect(residencyFilter({ rules, otherwise: 'allow' })('b', 'us').kind).toBe('crosses')
    expect(residencyFilter({ rules, otherwise: 'deny' })('b', 'us')).toMatchObject({
      kind: 'refused',
      reason: 'residency',
    })
    expect(residencyFilter({ rules, otherwise: 'deny' })('a', 'us').kind).toBe('crosses')
  })
})
