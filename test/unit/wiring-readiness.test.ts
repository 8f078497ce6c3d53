import { expect, test } from 'vitest'
import { readinessChecks, type StatusParts } from '../../src/wiring/status.ts'

/** A node that works, but for what is said. */
function checks(wrong: Partial<StatusParts> & { readonly confirmed?: boolean }) {
  const parts = {
    state: () => 'running',
    clusterProblem: () => undefined,
    outflowProblem: () => undefined,
    stateProblem: () => undefined,
    groupProblem: () => undefined,
    lanes: { confirmed: () => wrong.confirmed ?? true },
    ...wrong,
  } as unknown as StatusParts
  return readinessChecks(parts)
    .filter(({ ok }) => !ok)
    .map(({ name, why }) => [name, why])
}

test('a node that works is ready', () => {
  expect(checks({})).toEqual([])
})

test('a node whose positions cannot be saved any more is not ready, and says why', () => {
  const why = 'the log of __isthmus.progress is not the one that was read: recreated'
  expect(checks({ stateProblem: () => why })).toEqual([['state', why]])
})

test('a node that the group refused says what the group answered', () => {
  const [[name, why]] = checks({ confirmed: false, groupProblem: () => 'session timeout' }) as [[string, string]]
  expect([name, why.endsWith(': session timeout')]).toEqual(['group', true])
})
