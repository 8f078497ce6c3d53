import { hash } from 'node:crypto'
import type { BatchRecord, RecordHeader } from '../../src/record/records.ts'

/** Header that carries a record's id where neither key nor value may. */
export const LEDGER_ID_HEADER = 'ledger-id'
/** Before an id in a key or a value. */
const ID_MARK = 'L:'
/** After an id in a value, before the rest. */
const ID_END = ';'
/** Kafka's ProducerPerformance writes 0, 1, 2 … into topics of this name; the data center follows. */
export const JAVA_TOPIC_PREFIX = 'ledger.java.'

/** Provenance: written by gateways, never compared with the origin's, but judged by its own rules (design.md 3). */
const SOURCE_DC = 'source-dc'
const REPLICATED_AT = 'replicated-at'
const POSITION = 'isthmus-position'

/** Values up to so many bytes are kept as they are, so that a difference can be read; longer ones as a hash. */
const SHOWN_BYTES = 24

/** A record's content apart from provenance. Two records are the same bytes if and only if all four are equal (SHA-1). */
export interface RecordFields {
  readonly timestampMs: number
  readonly key: string
  readonly value: string
  readonly headers: string
}

export interface RecordProvenance {
  readonly sourceDcs: readonly string[]
  readonly replicatedAt: readonly string[]
  readonly positions: number
}

/** One committed record as a reader saw it. */
export interface LedgerEntry {
  readonly offset: number
  /** `<dc>.<producer>#<sequence>`; undefined: none of the ledger's records. */
  readonly id: string | undefined
  /** Where the id says that it was produced. */
  readonly origin: string | undefined
  readonly fields: RecordFields
  readonly provenance: RecordProvenance
}

export function ledgerId(dc: string, producer: string, sequence: number): string {
  return `${dc}.${producer}#${sequence}`
}

export function keyWithId(id: string): Buffer {
  return Buffer.from(ID_MARK + id)
}

export function valueWithId(id: string, rest: Buffer): Buffer {
  return Buffer.concat([Buffer.from(ID_MARK + id + ID_END), rest])
}

/** Reads a record's id from wherever its shape has room for one: header, key, then value. */
export function idOf(topic: string, record: Pick<BatchRecord, 'key' | 'value' | 'headers'>): string | undefined {
  const header = record.headers.find(each => each.key === LEDGER_ID_HEADER)?.value
  if (header) return header.toString('latin1')
  const inKey = markedText(record.key)
  if (inKey !== undefined) return inKey
  const inValue = markedText(record.value)
  if (inValue !== undefined) return inValue.slice(0, inValue.indexOf(ID_END))
  if (topic.startsWith(JAVA_TOPIC_PREFIX) && record.value !== null) {
    return ledgerId(topic.slice(JAVA_TOPIC_PREFIX.length), 'java', Number(record.value.toString('latin1')))
  }
  return undefined
}

function markedText(bytes: Buffer | null): string | undefined {
  if (bytes === null || bytes[0] !== 0x4c || bytes[1] !== 0x3a) return undefined
  return bytes.toString('latin1', ID_MARK.length, Math.min(bytes.length, 200))
}

/** What the judge needs of a record; nothing of it refers to the batch it came from. */
export function ledgerEntry(topic: string, record: BatchRecord): LedgerEntry {
  const id = idOf(topic, record)
  const sourceDcs: string[] = []
  const replicatedAt: string[] = []
  let positions = 0
  let headers = ''
  for (const header of record.headers) {
    if (header.key === SOURCE_DC) sourceDcs.push(header.value?.toString('utf8') ?? 'null')
    else if (header.key === REPLICATED_AT) replicatedAt.push(header.value?.toString('latin1') ?? 'null')
    else if (header.key === POSITION) positions++
    else headers += headerText(header)
  }
  return {
    offset: record.offset,
    id,
    origin: id?.slice(0, id.indexOf('.')),
    fields: {
      timestampMs: record.timestampMs,
      key: bytesText(record.key),
      value: bytesText(record.value),
      headers: headers.length > 200 ? hash('sha1', headers) : headers,
    },
    provenance: { sourceDcs, replicatedAt, positions },
  }
}

function headerText(header: RecordHeader): string {
  return `${JSON.stringify(header.key)}=${bytesText(header.value)};`
}

/** Differs whenever the bytes differ; null differs from empty. */
function bytesText(bytes: Buffer | null): string {
  if (bytes === null) return 'null'
  if (bytes.length <= SHOWN_BYTES) return `${bytes.length}:${JSON.stringify(bytes.toString('latin1'))}`
  return `${bytes.length}:${hash('sha1', bytes)}`
}
