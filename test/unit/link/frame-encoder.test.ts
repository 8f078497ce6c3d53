import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeResponse, encodeResponse } from '../../../src/link/codec.ts'
import { EncodedFrame } from '../../../src/link/frame-encoder.ts'

const offset = fc.oneof(fc.nat(300), fc.maxSafeNat())
const frames = fc.record({
  channel: fc.nat(),
  from: offset,
  next: offset,
  leaderEpoch: fc.integer({ min: -1, max: 0x7fff_ffff }),
  highWatermark: offset,
  sourceTimeMs: offset,
  batches: fc.array(
    fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
    { maxLength: 4 },
  ),
  relayed: fc.boolean(),
  gap: fc.boolean(),
  continued: fc.boolean(),
})

test('a frame encoded in place is the message that the proto describes', () => {
  fc.assert(
    fc.property(frames, fc.nat(20), (frame, at) => {
      const encoded = new EncodedFrame(frame)
      const target = Buffer.alloc(at + encoded.byteLength)
      expect(encoded.copy(target, at)).toBe(encoded.byteLength)
      const message = decodeResponse(target.subarray(at))
      expect(message).toEqual({ kind: 'frame', frame })
      expect(message).toEqual(decodeResponse(encodeResponse({ kind: 'frame', frame })))
    }),
  )
})
