import type { NewRecord } from '../../src/record/build-batch.ts'
import { CODEC_NAMES, type CodecName } from '../../src/record/codecs.ts'
import type { RecordHeader } from '../../src/record/records.ts'
import { keyWithId, LEDGER_ID_HEADER, ledgerId, valueWithId } from './ledger-entry.ts'
import type { SeededRandom } from './ledger-random.ts'

/** One batch that a ledger producer writes. */
export interface PlannedBatch {
  readonly codec: CodecName
  readonly records: readonly NewRecord[]
  /** Ids of the records, in order. */
  readonly ids: readonly string[]
}

/** Sizes of batches, with how often each comes. Together they are what brokers see from producers good and bad. */
const BATCH_SHAPES = [
  { shape: 'single', weight: 300 },
  { shape: 'small', weight: 620 },
  { shape: 'medium', weight: 60 },
  { shape: 'ten-thousand', weight: 8 },
  { shape: 'one-megabyte', weight: 12 },
] as const
export type BatchShape = (typeof BATCH_SHAPES)[number]['shape']

const RECORD_SHAPES = [
  'plain',
  'plain',
  'plain',
  'null-key',
  'tombstone',
  'nothing-but-headers',
  'odd-headers',
  'many-headers',
  'one-byte',
  'empty',
  'copied-provenance',
] as const
export type RecordShape = (typeof RECORD_SHAPES)[number]

const MEGABYTE = 1_000_000
const COUNTED_BATCH = 10_000
/** Timestamps of a batch lie within so much before `nowMs`, and not in order. */
const TIMESTAMP_JITTER_MS = 5_000

export interface BatchAuthor {
  readonly dc: string
  readonly producer: string
  /** Of the next record; sequences are never used twice, written or not. */
  readonly sequence: number
  readonly nowMs: number
}

/** The next batch of a producer: the same draws give the same bytes, apart from `nowMs`. */
export function planBatch(random: SeededRandom, author: BatchAuthor, shape = drawShape(random)): PlannedBatch {
  const codec = random.pick(CODEC_NAMES)
  const count = recordCount(random, shape)
  const ids = Array.from({ length: count }, (_, index) => ledgerId(author.dc, author.producer, author.sequence + index))
  const records = ids.map(id => {
    const timestampMs = author.nowMs - random.below(TIMESTAMP_JITTER_MS)
    if (shape === 'ten-thousand') return { key: keyWithId(id), value: Buffer.from('x'), timestampMs }
    if (shape === 'one-megabyte') return { key: keyWithId(id), value: random.bytes(MEGABYTE), timestampMs }
    return planRecord(random, id, random.pick(RECORD_SHAPES), timestampMs)
  })
  return { codec, records, ids }
}

function drawShape(random: SeededRandom): BatchShape {
  let draw = random.below(BATCH_SHAPES.reduce((total, each) => total + each.weight, 0))
  for (const { shape, weight } of BATCH_SHAPES) {
    draw -= weight
    if (draw < 0) return shape
  }
  return 'single'
}

function recordCount(random: SeededRandom, shape: BatchShape): number {
  switch (shape) {
    case 'single':
    case 'one-megabyte':
      return 1
    case 'small':
      return random.between(2, 40)
    case 'medium':
      return random.between(200, 500)
    case 'ten-thousand':
      return COUNTED_BATCH
  }
}

/** One record of a shape, with its id wherever the shape leaves room. */
export function planRecord(random: SeededRandom, id: string, shape: RecordShape, timestampMs: number): NewRecord {
  const key = keyWithId(id)
  const idHeader = { key: LEDGER_ID_HEADER, value: Buffer.from(id) }
  switch (shape) {
    case 'plain':
      return { key, value: text(random, random.between(20, 400)), headers: someHeaders(random), timestampMs }
    case 'null-key':
      return { key: null, value: valueWithId(id, random.bytes(random.below(200))), timestampMs }
    case 'tombstone':
      return { key, value: null, headers: someHeaders(random), timestampMs }
    case 'nothing-but-headers':
      return { key: null, value: null, headers: [...someHeaders(random), idHeader], timestampMs }
    case 'odd-headers':
      return { key, value: text(random, 30), headers: oddHeaders(random), timestampMs }
    case 'many-headers':
      return { key, value: text(random, 10), headers: manyHeaders(random.pick([62, 63, 64, 65])), timestampMs }
    case 'one-byte':
      return { key, value: random.bytes(1), timestampMs }
    case 'empty':
      return { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [idHeader], timestampMs }
    case 'copied-provenance':
      return { key, value: text(random, 40), headers: copiedProvenance(random), timestampMs }
  }
}

/** Text that a codec can shorten. */
function text(random: SeededRandom, length: number): Buffer {
  const words = ['order', 'shipped', 'paid', 'cancelled', 'customer', 'basket']
  let content = ''
  while (content.length < length) content += `${random.pick(words)} ${random.below(1_000)} `
  return Buffer.from(content.slice(0, length))
}

function someHeaders(random: SeededRandom): RecordHeader[] {
  return Array.from({ length: random.below(4) }, (_, index) => ({ key: `trace-${index}`, value: random.bytes(8) }))
}

/** Null and empty values, repeated keys, keys that look like numbers, an empty key, keys outside ASCII. */
function oddHeaders(random: SeededRandom): RecordHeader[] {
  return [
    { key: 'null-value', value: null },
    { key: 'repeated', value: Buffer.from('first') },
    { key: '10', value: Buffer.from('ten') },
    { key: '2', value: Buffer.alloc(0) },
    { key: 'repeated', value: null },
    { key: '', value: random.bytes(4) },
    { key: 'größe-尺', value: Buffer.from('ü') },
    { key: 'repeated', value: Buffer.from('third') },
  ]
}

function manyHeaders(count: number): RecordHeader[] {
  return Array.from({ length: count }, (_, index) => ({ key: `h${index}`, value: Buffer.from(`${index}`) }))
}

/** What an application leaves on a record that it derived from a replica. The record is local all the same. */
function copiedProvenance(random: SeededRandom): RecordHeader[] {
  const copied: RecordHeader[] = [
    { key: 'kept', value: Buffer.from('yes') },
    { key: 'source-dc', value: Buffer.from(random.pick(['eu', 'us', 'ap', 'nowhere'])) },
    { key: 'replicated-at', value: Buffer.from('1700000000000') },
    { key: 'replicated-at', value: Buffer.from('1700000000500') },
    { key: 'replicated-at', value: Buffer.from('not a time') },
    { key: 'kept-too', value: null },
  ]
  if (random.chance(0.5)) copied.push({ key: 'isthmus-position', value: random.bytes(60) })
  if (random.chance(0.3)) copied.push({ key: 'source-dc', value: null })
  return copied
}
