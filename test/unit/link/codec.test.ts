import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../../../src/link/codec.ts'
import type { SourceSays, TargetSays } from '../../../src/link/messages.ts'
import { CLOSE_REASONS } from '../../../src/route/pull.ts'

const open = { channel: 1, lane: 2, topic: 'orders', topicId: undefined, partition: 3 }
const requests: TargetSays[] = [
  { kind: 'open', open: { ...open, start: { kind: 'position', offset: 2 ** 53 - 1, leaderEpoch: -1 } } },
  { kind: 'open', open: { ...open, topicId: 'id', start: { kind: 'position', offset: 0, leaderEpoch: 0 } } },
  { kind: 'open', open: { ...open, start: { kind: 'earliest' } } },
  { kind: 'open', open: { ...open, start: { kind: 'latest' } } },
  { kind: 'open', open: { ...open, start: { kind: 'timestamp', timestampMs: 0 } } },
  { kind: 'credit', lane: 0, bytes: 2 ** 50 },
  { kind: 'ack', channel: 7, next: 0 },
  { kind: 'close', channel: 7 },
  { kind: 'ping', number: 0 },
]

describe('messages', () => {
  test.each(requests.map(says => [says.kind, says] as const))('%s comes out as it went in', (_kind, says) => {
    expect(decodeRequest(encodeRequest(says))).toEqual(says)
  })

  test.each(CLOSE_REASONS)('the reason %s comes out as it went in', reason => {
    const says: SourceSays = {
      kind: 'closed',
      closed: { channel: 1, reason, message: 'why', gapFrom: 0, gapTo: 9, topicId: 'id' },
    }
    expect(decodeResponse(encodeResponse(says))).toEqual(says)
  })

  test('a variant of a later version is ignored', () => {
    const field99 = Buffer.from([0x9a, 0x06, 0x00])
    expect(decodeRequest(field99)).toEqual({ kind: 'unknown' })
    expect(decodeResponse(field99)).toEqual({ kind: 'unknown' })
  })

  test('numbers beyond 2^53 and below zero are refused by name', () => {
    const credit = encodeRequest({ kind: 'credit', lane: 0, bytes: Number.MAX_SAFE_INTEGER })
    credit[credit.length - 1] = 0x7f
    expect(() => decodeRequest(credit)).toThrow(/bytes = /)
    expect(() => decodeRequest(encodeRequest({ kind: 'ack', channel: 1, next: -5 }))).toThrow(/next = -5/)
  })

  test('any bytes give a message or PEER_PROTOCOL', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        for (const decode of [decodeRequest, decodeResponse]) {
          try {
            decode(Buffer.from(bytes))
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError)
            expect((error as GatewayError).code).toBe('PEER_PROTOCOL')
          }
        }
      }),
    )
  })
})
