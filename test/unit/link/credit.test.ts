import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CreditLedger } from '../../../src/route/credit.ts'

test('a lane without credit may send nothing', () => {
  const ledger = new CreditLedger()
  expect(ledger.allows(3)).toBe(false)
  ledger.grant(3, 100)
  expect(ledger.allows(3)).toBe(true)
  expect(ledger.allows(4)).toBe(false)
})

test('a frame may begin while less than the credit is used, and is paid for afterwards', () => {
  const ledger = new CreditLedger()
  ledger.grant(0, 100)
  ledger.use(0, 99)
  expect(ledger.availableBytes(0)).toBe(1)
  ledger.use(0, 1_000)
  expect(ledger.availableBytes(0)).toBe(0)
  ledger.grant(0, 1_099)
  expect(ledger.allows(0)).toBe(false)
  ledger.grant(0, 1_100)
  expect(ledger.availableBytes(0)).toBe(1)
})

test('grants that are lost, repeated or late change nothing once a higher one is there', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10_000), { minLength: 1 }), fc.array(fc.nat(500)), (grants, uses) => {
      const inOrder = new CreditLedger()
      const shuffled = new CreditLedger()
      for (const grant of grants.toSorted((a, b) => a - b)) inOrder.grant(0, grant)
      for (const grant of [...grants, ...grants.toReversed()]) shuffled.grant(0, grant)
      for (const used of uses) {
        inOrder.use(0, used)
        shuffled.use(0, used)
      }
      expect(shuffled.availableBytes(0)).toBe(inOrder.availableBytes(0))
      expect(shuffled.grantedBytes(0)).toBe(Math.max(...grants))
    }),
  )
})
