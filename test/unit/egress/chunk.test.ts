import { describe, expect, test } from 'vitest'
import { addBatch, type Chunk, chunkOf, coverOn, cutFrame, dropReference } from '../../../src/egress/chunk.ts'
import { CommittedScan } from '../../../src/record/committed-scan.ts'
import { batchOf } from '../../support/link/batches.ts'

/** A chunk of the batches whose producerId is -1; the others only cover. */
function scanned(batches: Buffer[], release: () => void = () => {}): Chunk {
  const records = Buffer.concat(batches)
  const scan = new CommittedScan(records, [], 0)
  const chunk = chunkOf(records, false, release)
  while (scan.advance()) {
    if (scan.producerId === -1) addBatch(chunk, scan, scan.nextOffset, scan.leaderEpoch)
    coverOn(chunk, scan, scan.nextOffset, scan.leaderEpoch)
  }
  return chunk
}
const local = (baseOffset: number, bodyBytes = 39) => batchOf({ baseOffset, bodyBytes })
const foreign = (baseOffset: number) => batchOf({ baseOffset, producerId: 5, producerEpoch: 0 })

describe('frames are cut', () => {
  test('from neighbours in one piece, around what does not cross', () => {
    const batches = [local(0), local(1), foreign(2), local(3), foreign(4)]
    const queue = [scanned(batches)]
    const { batches: runs, next, localNext, bytes, records } = cutFrame(queue, 10_000)
    expect(runs).toEqual([Buffer.concat([batches[0]!, batches[1]!]), batches[3]])
    expect({ next, localNext, bytes, records }).toEqual({ next: 5, localNext: 5, bytes: 300, records: 3 })
    expect(queue).toEqual([])
  })

  test('at the size asked for, but never below one batch', () => {
    const queue = [scanned([local(0), local(1), local(2, 1_000)])]
    expect(cutFrame(queue, 150)).toMatchObject({ next: 1, bytes: 100 })
    expect(cutFrame(queue, 200)).toMatchObject({ next: 2, bytes: 100 })
    expect(cutFrame(queue, 200)).toMatchObject({ next: 3, bytes: 1_061 })
    expect(queue.length).toBe(0)
  })

  test('over several responses, each let go when the last frame of it is written', () => {
    const released: string[] = []
    const queue = [
      scanned([local(0)], () => released.push('a')),
      scanned([local(1), local(2)], () => released.push('b')),
    ]
    const first = cutFrame(queue, 200)
    expect(first).toMatchObject({ next: 2, bytes: 200 })
    const second = cutFrame(queue, 200)
    expect(queue.length).toBe(0)
    expect(released).toEqual([])
    first.written()
    expect(released).toEqual(['a'])
    second.written()
    expect(released).toEqual(['a', 'b'])
  })

  test('a response without anything to send is let go at once', () => {
    let released = 0
    dropReference(scanned([foreign(0)], () => released++))
    expect(released).toBe(1)
  })
})
