import { expect, test } from 'vitest'
import { doubtOf, endOf, type PartitionSpec } from '../../../src/ingest/run.ts'
import { KafkaFailure } from '../../../src/kafka/failure.ts'

const SPEC = { origin: 'eu', topic: 'orders', partition: 3 } as PartitionSpec

test('what an ACL forbids halts the partition and names operation and resource', () => {
  const onTopic = new KafkaFailure('denied', 'TOPIC_AUTHORIZATION_FAILED', 'an ACL on the topic is missing')
  expect(endOf(onTopic, SPEC)).toMatchObject({
    kind: 'halt',
    error: {
      code: 'ACL_MISSING',
      scope: 'partition',
      message: expect.stringContaining('Write or Describe on topic orders'),
    },
  })
  const onId = new KafkaFailure('denied', 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'an ACL is missing')
  expect(doubtOf(onId, SPEC)).toMatchObject({
    kind: 'halt',
    error: { message: expect.stringContaining('Write and Describe on the transactional.id of orders from eu') },
  })
})

test('anything else that is not certain is a doubt, which a takeover answers', () => {
  const cause = new KafkaFailure('retriable', 'NOT_LEADER_OR_FOLLOWER', 'moved')
  expect(doubtOf(cause, SPEC)).toEqual({ kind: 'doubt', cause })
})
