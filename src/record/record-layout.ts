import { GatewayError } from '../errors.ts'
import { headerKindAt } from './provenance.ts'
import type { VarintReader } from './varint.ts'

/**
 * Where the parts of one record stand in a decompressed body. One object is reused for all records of a call:
 * the splice copies byte ranges and never makes an object per record.
 */
export class RecordLayout {
  /** Where the length varint begins. */
  recordAt = 0
  /** The attributes byte; the length counts from here to `end`. */
  start = 0
  timestampDelta = 0
  timestampEnd = 0
  offsetDelta = 0
  /** Key length; from here to `headersAt` key and value are copied as they are. */
  restAt = 0
  /** Header count. */
  headersAt = 0
  headerCount = 0
  /** First header. */
  headersFrom = 0
  end = 0
  /** Headers that stay, and the bytes they take. */
  keptHeaders = 0
  keptHeaderBytes = 0
  /** `replicated-at` headers found. */
  hops = 0

  /** Reads as far as the offset delta, and leaves `reader` behind it with the record's end as limit. */
  readFront(reader: VarintReader, bodyEnd: number): void {
    this.recordAt = reader.position
    reader.limit = bodyEnd
    const length = reader.readVarint()
    const start = reader.position
    const end = start + length
    if (length < 1 || end > bodyEnd) throw corruptRecord(`record of ${length} bytes, ${bodyEnd - start} left`)
    this.start = start
    this.end = end
    reader.limit = end
    reader.position = start + 1
    this.timestampDelta = reader.readVarlong()
    this.timestampEnd = reader.position
    this.offsetDelta = reader.readVarint()
    this.restAt = reader.position
  }

  /**
   * Reads the rest and decides which headers stay. A record produced here loses all provenance (an application copied
   * it); a relayed one only its position header. Leaves `reader` at the record's end.
   */
  readRest(reader: VarintReader, relayed: boolean): void {
    skipField(reader)
    skipField(reader)
    this.headersAt = reader.position
    const count = reader.readVarint()
    if (count < 0) throw corruptRecord(`${count} headers`)
    this.headerCount = count
    this.headersFrom = reader.position
    this.keptHeaders = count
    this.keptHeaderBytes = this.end - reader.position
    this.hops = 0
    if (count > 0) this.scanHeaders(reader, relayed)
    if (reader.position !== this.end) throw corruptRecord(`record with ${this.end - reader.position} bytes too many`)
  }

  private scanHeaders(reader: VarintReader, relayed: boolean): void {
    for (let index = 0; index < this.headerCount; index++) {
      const at = reader.position
      const kind = readHeader(reader)
      if (kind === 'other') continue
      if (kind === 'replicated-at') this.hops++
      if (staysOn(kind, relayed)) continue
      this.keptHeaders--
      this.keptHeaderBytes -= reader.position - at
    }
  }

  /** Copies the headers that stay to `target`; returns the position behind them. For records that lose some. */
  copyKeptHeaders(reader: VarintReader, relayed: boolean, target: Buffer, position: number): number {
    let written = position
    reader.position = this.headersFrom
    for (let index = 0; index < this.headerCount; index++) {
      const at = reader.position
      if (!staysOn(readHeader(reader), relayed)) continue
      written += reader.buffer.copy(target, written, at, reader.position)
    }
    return written
  }
}

function staysOn(kind: ReturnType<typeof headerKindAt>, relayed: boolean): boolean {
  return kind === 'other' || (relayed && kind !== 'isthmus-position')
}

function readHeader(reader: VarintReader): ReturnType<typeof headerKindAt> {
  const length = reader.readVarint()
  const keyAt = reader.position
  if (length < 0 || keyAt + length > reader.limit) throw corruptRecord(`header key of ${length} bytes`)
  reader.position = keyAt + length
  skipField(reader)
  return headerKindAt(reader.buffer, keyAt, length)
}

/** Length varint and bytes; -1 is null. */
function skipField(reader: VarintReader): void {
  const length = reader.readVarint()
  if (length < -1 || reader.position + length > reader.limit) throw corruptRecord(`field of ${length} bytes`)
  if (length > 0) reader.position += length
}

/** Whoever walks the batch adds its offset (`namingBatch`). */
function corruptRecord(what: string): GatewayError {
  return new GatewayError('BATCH_CORRUPT', 'partition', what)
}
