import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AbortedTransaction, CommittedScan, controlTypeOf } from '../../../src/record/committed-scan.ts'
import { type RawBatch, rawBatch, withRightCrc } from './raw-batch.ts'

const PLAIN = 0x00
const TRANSACTIONAL = 0x10
const CONTROL = 0x30

/** What producers do to one partition, in order. */
const action = fc.record({
  producerId: fc.integer({ min: 1, max: 4 }),
  kind: fc.constantFrom('plain', 'data', 'data', 'commit', 'abort', 'emptied'),
  records: fc.integer({ min: 1, max: 3 }),
  /** A user's key may look like that of an ABORT marker. */
  key: fc.constantFrom(Buffer.from('k'), Buffer.from([0, 0, 0, 0]), null),
})
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

const ALL_ABORT: readonly Action[] = [1, 2, 3, 4].map(producerId => ({
  producerId,
  kind: 'abort',
  records: 1,
  key: null,
}))

interface Log {
  readonly bytes: readonly Buffer[]
  readonly offsets: readonly number[]
  readonly committed: readonly number[]
  readonly aborted: readonly (AbortedTransaction & { readonly lastOffset: number })[]
  readonly lastStableOffset: number
}

interface OpenTransaction {
  readonly firstOffset: number
  readonly dataOffsets: number[]
}

/** The truth by bookkeeping: each transaction's batches are committed or aborted when its marker comes. */
function logOf(actions: readonly Action[]): Log {
  const open = new Map<number, OpenTransaction>()
  const bytes: Buffer[] = []
  const offsets: number[] = []
  const committed: number[] = []
  const aborted: (AbortedTransaction & { lastOffset: number })[] = []
  let offset = 0
  for (const { producerId, kind, records, key } of actions) {
    const transaction = open.get(producerId)
    if (kind === 'commit' || kind === 'abort') {
      bytes.push(marker(offset, producerId, kind))
      offsets.push(offset)
      if (transaction !== undefined) {
        if (kind === 'commit') committed.push(...transaction.dataOffsets)
        else aborted.push({ producerId, firstOffset: transaction.firstOffset, lastOffset: offset })
        open.delete(producerId)
      }
      offset += 1
      continue
    }
    // A plain batch among a producer's open transaction cannot happen (INVALID_TXN_STATE).
    const inTransaction = kind === 'data' || transaction !== undefined
    bytes.push(dataBatch(offset, producerId, inTransaction, kind === 'emptied' ? 0 : records, records, key))
    offsets.push(offset)
    if (inTransaction) {
      const current = transaction ?? { firstOffset: offset, dataOffsets: [] }
      if (kind !== 'emptied') current.dataOffsets.push(offset)
      open.set(producerId, current)
    } else if (kind !== 'emptied') {
      committed.push(offset)
    }
    offset += records
  }
  const stable = Math.min(offset, ...[...open.values()].map(({ firstOffset }) => firstOffset))
  const visible = committed.filter(base => base < stable).sort((left, right) => left - right)
  return { bytes, offsets, committed: visible, aborted, lastStableOffset: stable }
}

const frame: Omit<RawBatch, 'baseOffset' | 'attributes' | 'lastOffsetDelta' | 'producerId' | 'records'> = {
  leaderEpoch: 1,
  baseTimestamp: 0,
  maxTimestamp: 0,
  producerEpoch: 0,
  baseSequence: 0,
  codec: 'none',
}

function dataBatch(
  baseOffset: number,
  producerId: number,
  transactional: boolean,
  count: number,
  span: number,
  key: Buffer | null,
): Buffer {
  const records = Array.from({ length: count }, (_, offsetDelta) => ({
    offsetDelta,
    timestampDelta: 0,
    key,
    value: null,
    headers: [],
  }))
  const attributes = transactional ? TRANSACTIONAL : PLAIN
  return rawBatch({ ...frame, baseOffset, attributes, lastOffsetDelta: span - 1, producerId, records })
}

function marker(baseOffset: number, producerId: number, kind: 'commit' | 'abort'): Buffer {
  const record = {
    offsetDelta: 0,
    timestampDelta: 0,
    key: Buffer.from([0, 0, 0, kind === 'commit' ? 1 : 0]),
    value: Buffer.alloc(6),
    headers: [],
  }
  return rawBatch({
    ...frame,
    baseOffset,
    attributes: CONTROL,
    lastOffsetDelta: 0,
    producerId,
    records: [record],
  })
}

/** A fetch as a broker answers it: whole log up to the last stable offset from the batch that holds `fetchOffset`. */
function fetchFrom(log: Log, fetchOffset: number, maxBatches: number, tailBytes: number) {
  const stable = log.offsets.filter(offset => offset < log.lastStableOffset).length
  let first = 0
  while (first + 1 < stable && log.offsets[first + 1]! <= fetchOffset) first++
  const end = Math.min(stable, first + maxBatches)
  const upper = log.offsets[end] ?? log.lastStableOffset
  const tail = end < stable ? log.bytes[end]!.subarray(0, tailBytes) : Buffer.alloc(0)
  const aborted = log.aborted
    .filter(({ firstOffset, lastOffset }) => lastOffset >= fetchOffset && firstOffset < upper)
    // The broker's order is that of the markers.
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
  return { records: Buffer.concat([...log.bytes.slice(first, end), tail]), aborted }
}

describe('committed scan', () => {
  test('yields exactly the committed batches, over any cut of the log into fetches', () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 5, maxLength: 40, size: 'max' }),
        fc.boolean(),
        fc.integer({ min: 1, max: 6 }),
        fc.nat({ max: 60 }),
        (actions, ends, maxBatches, tailBytes) => {
          const log = logOf(ends ? [...actions, ...ALL_ABORT] : actions)
          const seen: number[] = []
          let fetchOffset = 0
          while (fetchOffset < log.lastStableOffset) {
            const { records, aborted } = fetchFrom(log, fetchOffset, maxBatches, tailBytes)
            const scan = new CommittedScan(records, aborted, fetchOffset)
            while (scan.advance()) if (scan.kind === 'data') seen.push(scan.baseOffset)
            expect(scan.nextOffset).toBeGreaterThan(fetchOffset)
            fetchOffset = scan.nextOffset
          }
          expect(seen).toEqual(log.committed)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('tells where a first batch begins that starts before the fetch offset', () => {
    const batch = dataBatch(10, 1, false, 3, 3, null)
    const scan = new CommittedScan(batch, [], 12)
    expect(scan.nextOffset).toBe(12)
    expect(scan.advance()).toBe(true)
    expect(scan).toMatchObject({ kind: 'data', baseOffset: 10, nextOffset: 13, start: 0, end: batch.length })
    expect(scan.advance()).toBe(false)
  })

  test('refuses batches that overlap', () => {
    const scan = new CommittedScan(
      Buffer.concat([dataBatch(10, 1, false, 3, 3, null), dataBatch(12, 1, false, 1, 1, null)]),
      [],
      10,
    )
    scan.advance()
    expect(() => scan.advance()).toThrow('batch at offset 12: follows a batch that ends at offset 12')
  })

  test('names the offset of a batch in an old message format and says what to do', () => {
    const old = dataBatch(77, 1, false, 1, 1, null)
    old[16] = 1
    const advance = () => new CommittedScan(old, [], 77).advance()
    expect(advance).toThrow(expect.objectContaining({ code: 'BATCH_OLD_FORMAT' }))
    expect(advance).toThrow('magic 1 at offset 77')
  })

  test('refuses a control batch that cannot be read', () => {
    const broken = marker(5, 1, 'abort')
    broken.writeInt16BE(CONTROL | 3, 21)
    expect(() => controlTypeOf(withRightCrc(broken), 0)).toThrow('batch at offset 5: compressed control batch')
  })
})
