import fc from 'fast-check'
import { CODEC_NAMES, type CodecName } from '../../../src/record/codecs.ts'
import type { RecordHeader } from '../../../src/record/records.ts'
import type { RawBatch, RawRecord } from './raw-batch.ts'

/** What the properties of record batches run over: batches as a log holds them, odd ones included. */

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

const ownKey = fc.oneof(
  fc.constantFrom('a', 'trace-id', 'source-dx', 'replicated-by', 'isthmus-positioM', 'x'.repeat(70)),
  fc.string({ maxLength: 12, unit: 'grapheme' }),
)
/** Headers that an application copied from a replica. */
const copiedKey = fc.constantFrom('source-dc', 'replicated-at', 'isthmus-position')
const headerKey = fc.oneof({ weight: 5, arbitrary: ownKey }, { weight: 1, arbitrary: copiedKey })

const header: fc.Arbitrary<RecordHeader> = fc.record({ key: headerKey, value: fc.option(bytes(20), { nil: null }) })

export const headers = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 6, arbitrary: fc.array(header, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(header, { minLength: 60, maxLength: 68 }) },
)

const payload = fc.option(fc.oneof({ weight: 9, arbitrary: bytes(60) }, { weight: 1, arbitrary: bytes(3000) }), {
  nil: null,
})

export const timestampMs = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }) },
  { weight: 1, arbitrary: fc.constant(-1) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 45 }) },
)

export const codec: fc.Arbitrary<CodecName> = fc.constantFrom(...CODEC_NAMES)

export const newRecord = fc.record({ key: fc.option(bytes(16), { nil: null }), value: payload, headers, timestampMs })

/** A record with the distance of its offset from the one before: 0 contiguous, more where compaction made a hole. */
const thinnedRecord = fc.record({
  key: fc.option(bytes(16), { nil: null }),
  value: payload,
  headers,
  timestampMs,
  hole: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 300 }) }),
  attributes: fc.constantFrom(0, 0, 0, 0x41),
})

/** LogAppendTime, transactional and delete-horizon bits, as data batches may have them. */
const dataBits = fc.constantFrom(0, 0, 0, 0x08, 0x10, 0x40, 0x58)

const LOG_APPEND_TIME = 0x08

/** Batches of a log in order, with holes inside and between them, now and then an empty one. */
export const dataLog = (maxBatches: number): fc.Arbitrary<RawBatch[]> =>
  fc
    .tuple(
      fc.nat({ max: 2 ** 40 }),
      fc.array(
        fc.record({
          records: fc.array(thinnedRecord, { minLength: 0, maxLength: 12 }),
          hole: fc.constantFrom(0, 0, 0, 1, 5),
          trailing: fc.constantFrom(0, 0, 0, 3),
          baseTimestamp: timestampMs,
          bits: dataBits,
          codec,
        }),
        { minLength: 1, maxLength: maxBatches },
      ),
    )
    .map(([start, batches]) => {
      let offset = start
      return batches.map(({ records, hole, trailing, baseTimestamp, bits, codec }) => {
        let delta = -1
        const raw: RawRecord[] = records.map(record => {
          delta += 1 + record.hole
          return { ...record, offsetDelta: delta, timestampDelta: record.timestampMs - baseTimestamp }
        })
        const times = records.map(record => record.timestampMs)
        const batch: RawBatch = {
          baseOffset: offset + hole,
          leaderEpoch: 4,
          attributes: bits,
          lastOffsetDelta: delta + trailing + (records.length === 0 ? 1 : 0),
          baseTimestamp,
          maxTimestamp: (bits & LOG_APPEND_TIME) === 0 ? Math.max(-1, ...times) : 1_700_000_050_000,
          producerId: 7,
          producerEpoch: 0,
          baseSequence: 0,
          codec,
          records: raw,
        }
        offset = batch.baseOffset + batch.lastOffsetDelta + 1
        return batch
      })
    })

/** Time of a record of a raw batch, by the format's description. */
export function timeOf(batch: RawBatch, record: RawRecord): number {
  return Number(
    (batch.attributes & LOG_APPEND_TIME) === 0
      ? BigInt(batch.baseTimestamp) + BigInt(record.timestampDelta)
      : batch.maxTimestamp,
  )
}
