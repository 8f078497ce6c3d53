import { expect, test } from 'vitest'
import { errorName, failureFor, meaningOf } from '../../../src/kafka/error-table.ts'
import { KafkaFailure } from '../../../src/kafka/failure.ts'
import { contradiction, type WriterRun } from '../../../src/kafka/known-state.ts'
import { retry } from '../../../src/kafka/retry.ts'

const identity = { producerId: 7, producerEpoch: 3 }
const run: WriterRun = { identity, lastAckedSequence: 9, lastSentSequence: 19, newEpoch: false }
const shown = (lastSequence: number, producerEpoch = 3) => ({
  ...identity,
  producerEpoch,
  lastSequence,
  lastTimestampMs: 0,
  currentTxnStartOffset: -1,
})

test('a log that shows our epoch and a sequence between the last ack and the last send is known', () => {
  for (const lastSequence of [9, 14, 19]) expect(contradiction(shown(lastSequence), run)).toBeUndefined()
  const fresh = { ...run, lastAckedSequence: -1, lastSentSequence: -1 }
  expect(contradiction(shown(-1), fresh)).toBeUndefined()
})

test('a log without our state, in another epoch, behind our last ack or beyond what we sent is not', () => {
  expect(contradiction(undefined, run)).toContain('nothing')
  expect(contradiction(shown(9, 4), run)).toContain('epoch 4')
  expect(contradiction(shown(9, 2), run)).toContain('epoch 2')
  expect(contradiction(shown(8), run)).toContain('sequence 8')
  expect(contradiction(shown(-1), run)).toContain('sequence -1')
  expect(contradiction(shown(20), run)).toContain('sequence 20')
})

test('sequences wrap at 2^31', () => {
  const last = 2 ** 31 - 1
  const wrapping = { ...run, lastAckedSequence: last - 1, lastSentSequence: 4 }
  for (const lastSequence of [last - 1, last, 0, 4])
    expect(contradiction(shown(lastSequence), wrapping)).toBeUndefined()
  for (const lastSequence of [last - 2, 5]) expect(contradiction(shown(lastSequence), wrapping)).toBeDefined()
})

test('only the first send of an epoch that was taken after the fence may find the older epoch', () => {
  const second = { ...run, lastAckedSequence: -1, lastSentSequence: -1, newEpoch: true }
  expect(contradiction(shown(-1, 2), second)).toBeUndefined()
  expect(contradiction(shown(-1, 4), second)).toContain('epoch 4')
  expect(contradiction(undefined, second)).toContain('nothing')
})

test('errors nobody thought about are fatal and keep their number', () => {
  expect(errorName(-1)).toBe('UNKNOWN_SERVER_ERROR')
  expect(failureFor(9_999, 'Produce')).toMatchObject({ kind: 'fatal', code: 'ERROR_9999' })
  for (const code of ['NOT_LEADER_OR_FOLLOWER', 'UNKNOWN_TOPIC_ID'])
    expect(meaningOf(code)).toMatchObject({ kind: 'retriable', refresh: true })
  for (const code of ['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'])
    expect(meaningOf(code).kind).toBe('ambiguous')
  for (const code of [
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    'INVALID_PRODUCER_EPOCH',
    'PRODUCER_FENCED',
    'INVALID_PRODUCER_ID_MAPPING',
    'UNKNOWN_PRODUCER_ID',
  ]) {
    expect(meaningOf(code).kind).toBe('fenced')
  }
})

test('what is definitely not done is repeated; what may be done only where that does no harm; a pause ends all', async () => {
  const attempts = async (failure: KafkaFailure, repeatable: boolean) => {
    let count = 0
    await retry({ withinMs: 1_000, repeatable }, async () => {
      count++
      if (count < 3) throw failure
    }).catch(() => undefined)
    return count
  }
  const failure = (kind: KafkaFailure['kind'], code = 'X') => new KafkaFailure(kind, code, '')
  expect(await attempts(failure('retriable'), false)).toBe(3)
  expect(await attempts(failure('ambiguous'), true)).toBe(3)
  expect(await attempts(failure('ambiguous'), false)).toBe(1)
  expect(await attempts(failure('ambiguous', 'PROCESS_PAUSED'), true)).toBe(1)
  for (const kind of ['fenced', 'too-large', 'denied', 'fatal'] as const)
    expect(await attempts(failure(kind), true)).toBe(1)
})
