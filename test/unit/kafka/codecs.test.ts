import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFetch, FETCH_BY_ID, FETCH_BY_NAME, parseFetch } from '../../../src/kafka/fetch-codec.ts'
import { encodeProduce, PRODUCE_BY_ID, parseProduce } from '../../../src/kafka/produce-codec.ts'
import { WireReader, WireWriter } from '../../../src/kafka/wire.ts'

test('what is written is read back', () => {
  const int64 = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
  const values = fc.record({
    int8: fc.integer({ min: -128, max: 127 }),
    int16: fc.integer({ min: -32_768, max: 32_767 }),
    int32: fc.integer(),
    int64,
    varint: fc.nat(0x7fffffff),
    text: fc.option(fc.string({ maxLength: 300 })),
    uuid: fc.uuid(),
  })
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 64 }), (value, initialBytes) => {
      const writer = new WireWriter(initialBytes)
      writer.int8(value.int8).int16(value.int16).int32(value.int32).int64(value.int64).unsignedVarint(value.varint)
      const first = writer.cut()
      writer.compactString(value.text).uuid(value.uuid).noTaggedFields().compactArrayLength(-1)
      const reader = new WireReader(Buffer.concat([first, writer.cut()]))
      expect([reader.int8(), reader.int16(), reader.int32()]).toEqual([value.int8, value.int16, value.int32])
      expect([reader.int64(), reader.unsignedVarint(), reader.compactString()]).toEqual([
        value.int64,
        value.varint,
        value.text,
      ])
      expect(reader.uuid()).toBe(value.uuid.toLowerCase())
      reader.taggedFields()
      expect(reader.compactArrayLength()).toBe(-1)
      expect(reader.position).toBe(reader.buffer.length)
    }),
  )
})

test('tagged fields that are not known, and what is left of known ones, are passed over', () => {
  const bytes = new WireWriter(8).unsignedVarint(2)
  bytes.unsignedVarint(0).unsignedVarint(6).int16(7).int32(8).unsignedVarint(9).unsignedVarint(1).int8(1).int8(42)
  const reader = new WireReader(bytes.cut())
  const seen: number[] = []
  reader.taggedFields((tag, field) => {
    if (tag === 0) seen.push(field.int16())
  })
  expect([...seen, reader.int8()]).toEqual([7, 42])
})

test('broken responses throw RangeError and nothing else, whatever they claim', () => {
  const parsers = [
    (bytes: Buffer) => parseFetch(FETCH_BY_ID, new WireReader(bytes)),
    (bytes: Buffer) => parseFetch(FETCH_BY_NAME, new WireReader(bytes)),
    (bytes: Buffer) => parseProduce(PRODUCE_BY_ID, new WireReader(bytes)),
    (bytes: Buffer) => parseProduce(9, new WireReader(bytes)),
  ]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...parsers), (bytes, parse) => {
      try {
        parse(Buffer.from(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }),
    { numRuns: 5_000 },
  )
})

test('a produce request carries each body once, uncopied, in its place', () => {
  const body = Buffer.from('body of the batch')
  const batch = { header: Buffer.alloc(61, 1), body: [body, body], recordCount: 1, sizeBytes: 61 + 2 * body.length }
  const where = { topic: 'orders', topicId: '0b8a1c52-5b0e-4d0c-8a4a-5f1f3a2b1c0d', batch }
  const pieces = encodeProduce(PRODUCE_BY_ID, null, 1_000, [
    { ...where, partition: 0 },
    { ...where, partition: 7 },
  ])
  expect(pieces.filter(piece => piece === body)).toHaveLength(4)
  const bytes = Buffer.concat(pieces).toString('latin1')
  expect(bytes.split('body of the batch')).toHaveLength(5)
})

test('a fetch request names each topic once', () => {
  const partition = {
    topicId: '0b8a1c52-5b0e-4d0c-8a4a-5f1f3a2b1c0d',
    offset: 5,
    currentLeaderEpoch: 1,
    lastFetchedEpoch: 1,
  }
  const asked = ['orders', 'clicks', 'orders'].map((topic, index) => ({ ...partition, topic, partition: index }))
  const limits = { maxWaitMs: 500, maxBytes: 1, partitionMaxBytes: 1, isolation: 'read-committed' } as const
  const bytes = encodeFetch(FETCH_BY_NAME, asked, limits).toString('latin1')
  expect(bytes.split('orders')).toHaveLength(2)
})
