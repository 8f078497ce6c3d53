import { expect, test } from 'vitest'
import { plainWords } from '../../../src/link/status.ts'

test('what the socket said is left of what grpc-js makes of it, the same each time', () => {
  const wrapped = (said: string) => `No connection established. Last error: ${said}. Resolution note: `
  expect(plainWords(wrapped('Error: connect ECONNREFUSED 127.0.0.1:7400 (2026-07-04T10:00:00.123Z)'))).toBe(
    'connect ECONNREFUSED 127.0.0.1:7400',
  )
  expect(plainWords(wrapped('null'))).toBe('no connection')
  expect(plainWords('Deadline exceeded')).toBe('Deadline exceeded')
})
