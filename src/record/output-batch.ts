import { GatewayError } from '../errors.ts'
import { BASE_TIMESTAMP_AT, MAX_TIMESTAMP_AT } from './batch.ts'
import { readyBatch } from './build-batch.ts'
import { codecName, compress, MAX_DECOMPRESSED_BYTES } from './codecs.ts'
import type { HeaderBlob } from './header-blob.ts'
import type { ReadyBatch } from './ready-batch.ts'
import type { RecordLayout } from './record-layout.ts'
import type { SourceCursor } from './source-cursor.ts'
import { MAX_VARINT_BYTES, MAX_VARLONG_BYTES, varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts'

const INITIAL_SCRATCH_BYTES = 2 * 1024 * 1024
/** A scratch that one large batch blew up beyond this is given back. */
const RETAINED_SCRATCH_BYTES = 8 * 1024 * 1024
/** By so much a record may grow beside its new headers: length, timestamp delta, offset delta, header count. */
const MAX_GROWTH_BYTES = 3 * MAX_VARINT_BYTES + MAX_VARLONG_BYTES
/** Blobs are written in words, which may run over their end by three bytes. */
const WORD_SLACK_BYTES = 4

let scratch = Buffer.allocUnsafeSlow(INITIAL_SCRATCH_BYTES)
let scratchView = new DataView(scratch.buffer)

function growScratch(neededBytes: number, usedBytes: number): void {
  const grown = Buffer.allocUnsafeSlow(Math.max(neededBytes, Math.min(2 * scratch.length, MAX_DECOMPRESSED_BYTES)))
  scratch.copy(grown, 0, 0, usedBytes)
  scratch = grown
  scratchView = new DataView(grown.buffer)
}

/** Gives an unusually large scratch back; call when a transform ends. */
export function releaseScratch(): void {
  if (scratch.length <= RETAINED_SCRATCH_BYTES) return
  scratch = Buffer.allocUnsafeSlow(INITIAL_SCRATCH_BYTES)
  scratchView = new DataView(scratch.buffer)
}

/**
 * Uncompressed records of the batch being made, written one behind the other into a scratch buffer that all batches
 * share: only one can be in the making at a time.
 */
export class OutputBatch {
  recordCount = 0
  /** Uncompressed bytes of the records so far. */
  position = 0
  minTimestampMs = 0
  maxTimestampMs = 0
  lastOrigin = -1
  /** Origin leader epoch of the last record. */
  lastLeaderEpoch = -1
  replacedProvenance = 0
  droppedLoop = 0

  private readonly blob: HeaderBlob
  private readonly relayed: boolean
  private readonly limitBytes: number
  private baseTimestampMs = 0
  private firstBatch: Buffer | undefined
  private firstBaseTimestampAt = BASE_TIMESTAMP_AT
  private alone = false
  private readonly finishedRuns: number[] = []
  private runStart = -1
  private runEnd = -1
  private lastRecordAt = 0
  private lastLength = 0
  private lastCountAt = 0
  private lastHeaderCount = 0

  /** `limitBytes`: of uncompressed records; a first record is taken whatever its size. */
  constructor(blob: HeaderBlob, relayed: boolean, limitBytes: number) {
    this.blob = blob
    this.relayed = relayed
    this.limitBytes = limitBytes
  }

  /** Whether the record still fits; false: finish this batch and begin another with it. Makes room for it. */
  admits(source: SourceCursor, layout: RecordLayout, origin: number): boolean {
    const after = this.position + layout.end - layout.start + this.blob.bytes.length + MAX_GROWTH_BYTES
    if (this.recordCount > 0) {
      if (after > this.limitBytes) return false
      if (source.batch !== this.firstBatch && !this.timeFits(source, layout)) return false
    } else if (after > MAX_DECOMPRESSED_BYTES) {
      throw tooLarge(origin, layout.end - layout.start, MAX_DECOMPRESSED_BYTES)
    }
    if (after + WORD_SLACK_BYTES > scratch.length) growScratch(after + WORD_SLACK_BYTES, this.position)
    return true
  }

  /** Whether the record's time can be said exactly relative to this batch's base timestamp. */
  private timeFits(source: SourceCursor, layout: RecordLayout): boolean {
    if (this.alone || source.alone) return false
    if (source.appendTime || source.baseTimestampMs === this.baseTimestampMs) return true
    const delta = layout.timestampDelta + (source.baseTimestampMs - this.baseTimestampMs)
    return Number.isSafeInteger(layout.timestampDelta) && Number.isSafeInteger(delta)
  }

  /** Appends the record that `layout` describes, with the new headers. `admits` said yes. */
  append(source: SourceCursor, layout: RecordLayout, origin: number): void {
    if (this.recordCount === 0) this.begin(source)
    const body = source.reader.buffer
    const shift = source.baseTimestampMs - this.baseTimestampMs
    const keepsTime = shift === 0 && !source.appendTime
    const delta = source.appendTime ? shift : layout.timestampDelta + shift
    const headerCount = layout.keptHeaders + this.blob.headers
    const timeBytes = keepsTime ? layout.timestampEnd - layout.start - 1 : varlongSize(delta)
    const length =
      1 +
      timeBytes +
      varintSize(this.recordCount) +
      (layout.headersAt - layout.restAt) +
      varintSize(headerCount) +
      layout.keptHeaderBytes +
      this.blob.bytes.length

    const target = scratch
    let at = writeVarint(target, this.position, length)
    this.lastRecordAt = this.position
    this.lastLength = length
    if (keepsTime && layout.offsetDelta === this.recordCount) {
      at += body.copy(target, at, layout.start, layout.headersAt)
    } else {
      target[at++] = body[layout.start]!
      at = keepsTime
        ? copyFew(body, layout.start + 1, layout.timestampEnd, target, at)
        : writeVarlong(target, at, delta)
      at = writeVarint(target, at, this.recordCount)
      at += body.copy(target, at, layout.restAt, layout.headersAt)
    }
    this.lastCountAt = at
    this.lastHeaderCount = headerCount
    at = writeVarint(target, at, headerCount)
    if (layout.headerCount > 0) at = this.appendHeaders(source, layout, at)
    this.position = this.blob.writeTo(scratchView, at)
    this.count(
      source,
      origin,
      source.appendTime ? source.baseTimestampMs : source.baseTimestampMs + layout.timestampDelta,
    )
  }

  private begin(source: SourceCursor): void {
    this.firstBatch = source.batch
    this.firstBaseTimestampAt = source.baseTimestampAt
    this.baseTimestampMs = source.baseTimestampMs
    this.alone = source.alone
    this.minTimestampMs = Number.POSITIVE_INFINITY
    this.maxTimestampMs = Number.NEGATIVE_INFINITY
  }

  private appendHeaders(source: SourceCursor, layout: RecordLayout, at: number): number {
    if (layout.keptHeaders === layout.headerCount) {
      return at + source.reader.buffer.copy(scratch, at, layout.headersFrom, layout.end)
    }
    if (!this.relayed) this.replacedProvenance++
    return layout.copyKeptHeaders(source.reader, this.relayed, scratch, at)
  }

  private count(source: SourceCursor, origin: number, timestampMs: number): void {
    this.recordCount++
    if (timestampMs < this.minTimestampMs) this.minTimestampMs = timestampMs
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs
    if (origin !== this.runEnd) {
      if (this.runEnd >= 0) this.finishedRuns.push(this.runStart, this.runEnd - this.runStart)
      this.runStart = origin
    }
    this.runEnd = origin + 1
    this.lastOrigin = origin
    this.lastLeaderEpoch = source.leaderEpoch
  }

  /** Origin offsets of the records, as the position header has them. */
  runs(): number[] {
    return this.runEnd < 0 ? [] : [...this.finishedRuns, this.runStart, this.runEnd - this.runStart]
  }

  /** Puts one more header, encoded, behind those of the last record. */
  appendToLast(header: Buffer): void {
    const countEnd = this.lastCountAt + varintSize(this.lastHeaderCount)
    const countGrowth = varintSize(this.lastHeaderCount + 1) - varintSize(this.lastHeaderCount)
    const length = this.lastLength + countGrowth + header.length
    const lengthEnd = this.lastRecordAt + varintSize(this.lastLength)
    const lengthGrowth = varintSize(length) - varintSize(this.lastLength)
    const end = this.position + lengthGrowth + countGrowth
    if (end + header.length > scratch.length) growScratch(end + header.length, this.position)
    // From the back: what is moved never overwrites what is still to move.
    scratch.copyWithin(countEnd + lengthGrowth + countGrowth, countEnd, this.position)
    scratch.copyWithin(lengthEnd + lengthGrowth, lengthEnd, this.lastCountAt)
    writeVarint(scratch, this.lastRecordAt, length)
    writeVarint(scratch, this.lastCountAt + lengthGrowth, this.lastHeaderCount + 1)
    header.copy(scratch, end)
    this.position = end + header.length
  }

  /** Compresses and puts the header before it. The batch owns its memory: the scratch is free again. */
  finish(codecId: number): ReadyBatch {
    const records = scratch.subarray(0, this.position)
    const body = compress(codecId, codecName(codecId) === 'none' ? Buffer.from(records) : records)
    const ready = readyBatch(body, {
      codecId,
      recordCount: this.recordCount,
      baseTimestampMs: this.baseTimestampMs,
      maxTimestampMs: this.maxTimestampMs,
    })
    // Copied as bytes, exact beyond 2^53 too: producers that stamp in nanoseconds exist.
    const source = this.firstBatch!
    source.copy(ready.header, BASE_TIMESTAMP_AT, this.firstBaseTimestampAt, this.firstBaseTimestampAt + 8)
    if (this.alone) source.copy(ready.header, MAX_TIMESTAMP_AT, MAX_TIMESTAMP_AT, MAX_TIMESTAMP_AT + 8)
    return ready
  }
}

function copyFew(source: Buffer, start: number, end: number, target: Buffer, position: number): number {
  let at = position
  for (let from = start; from < end; from++) target[at++] = source[from]!
  return at
}

/** BATCH_TOO_LARGE for one record, named by its origin offset. */
export function tooLarge(origin: number, bytes: number, limitBytes: number): GatewayError {
  return new GatewayError(
    'BATCH_TOO_LARGE',
    'record',
    `the record of origin offset ${origin} makes a batch of ${bytes} bytes, ${limitBytes} are allowed`,
    { hint: "raise the target topic's max.message.bytes above the source's: copies are larger by their headers" },
  )
}
