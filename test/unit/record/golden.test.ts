import { describe, expect, test } from 'vitest'
import * as header from '../../../src/record/batch.ts'
import { CODEC_NAMES } from '../../../src/record/codecs.ts'
import { CommittedScan, controlTypeOf } from '../../../src/record/committed-scan.ts'
import { clusterHash } from '../../../src/record/position.ts'
import { withoutProvenance } from '../../../src/record/provenance.ts'
import { type BatchRecord, iterateRecords, lastRecord } from '../../../src/record/records.ts'
import { transform } from '../../../src/record/transform.ts'
import {
  described,
  goldenBytes,
  goldenNames,
  type ManifestBatch,
  type ManifestRecord,
  manifest,
} from './golden-files.ts'

function asManifest(record: BatchRecord): ManifestRecord {
  return {
    offset: record.offset,
    timestamp: record.timestampMs,
    key: described(record.key),
    value: described(record.value),
    headers: record.headers.map(({ key, value }) => [Buffer.from(key).toString('hex'), described(value)] as const),
  }
}

function read(batch: Buffer): ManifestBatch {
  const attributes = header.attributesOf(batch)
  return {
    baseOffset: header.baseOffsetOf(batch),
    lastOffset: header.nextOffsetOf(batch) - 1,
    sizeBytes: header.sizeBytesOf(batch),
    codec: CODEC_NAMES[header.codecIdOf(batch)]!,
    leaderEpoch: header.leaderEpochOf(batch),
    timestampType: (attributes & header.LOG_APPEND_TIME_BIT) === 0 ? 'CreateTime' : 'LogAppendTime',
    maxTimestamp: header.maxTimestampOf(batch),
    deleteHorizon: (attributes & header.DELETE_HORIZON_BIT) !== 0,
    producerId: header.producerIdOf(batch),
    producerEpoch: header.producerEpochOf(batch),
    baseSequence: header.baseSequenceOf(batch),
    transactional: header.isTransactional(batch),
    control: header.isControl(batch),
    count: header.recordCountOf(batch),
    records: [...iterateRecords(batch)].map(asManifest),
  }
}

describe.each(goldenNames)('batches of the Java client: %s', name => {
  const batches = header.splitBatches(goldenBytes(name))
  const expected = manifest[name]!

  test('are read as Kafka reads them', () => {
    for (const batch of batches) header.verifyCrc(batch, 0, batch.length)
    expect(batches.map(read)).toEqual(expected)
  })

  test('give their last record without the others being looked at', () => {
    for (const [index, batch] of batches.entries()) {
      const last = lastRecord(batch)
      expect(last && asManifest(last)).toEqual(expected[index]!.records.at(-1))
    }
  })

  test('keep keys, values, headers, times and offsets in the transform', () => {
    const data = batches.filter(batch => !header.isControl(batch))
    const next = header.nextOffsetOf(data.at(-1)!)
    const result = transform({
      batches: data,
      from: 0,
      next,
      origin: 'eu',
      stampMs: 1,
      relayed: false,
      topicId: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
      leaderEpoch: 12,
      gap: false,
      producerId: 1,
      clusterHash: clusterHash('us'),
      maxHops: 3,
      maxBatchBytes: 1_000_000,
    })
    const written = result.batches.flatMap(({ ready }) => [...iterateRecords(header.flattenBatch(ready))])
    const source = data.flatMap(batch => [...iterateRecords(batch)])
    expect(written.map(withoutOffset)).toEqual(source.map(withoutOffset))
  })
})

function withoutOffset(record: BatchRecord): ManifestRecord {
  return { ...asManifest({ ...record, headers: withoutProvenance(record.headers) }), offset: 0 }
}

describe('transactions of the Java client', () => {
  test('are filtered to what is committed', () => {
    const scan = new CommittedScan(goldenBytes('transactions'), [{ producerId: 4711, firstOffset: 2 }], 0)
    const kinds: string[] = []
    while (scan.advance()) {
      kinds.push(scan.kind === 'control' ? controlTypeOf(goldenBytes('transactions'), scan.start) : scan.kind)
    }
    // The plain batch has the producerId of the aborted transaction, which does not make it part of it.
    expect(kinds).toEqual(['data', 'commit', 'aborted', 'data', 'abort'])
    expect(scan.nextOffset).toBe(6)
  })

  test('leave an emptied batch as nothing but an advance', () => {
    const scan = new CommittedScan(goldenBytes('emptied'), [], 0)
    const seen: [string, number][] = []
    while (scan.advance()) seen.push([scan.kind, scan.nextOffset])
    expect(seen).toEqual([
      ['data', 22],
      ['empty', 34],
      ['data', 46],
    ])
  })
})
