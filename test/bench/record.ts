/**
 * Cost of the transform alone, ns of CPU per record: `node test/bench/record.ts`.
 * Events of about 242 bytes as bench.md of the product describes them: lz4, batches of 64 KiB; alone and coalesced.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BASE_OFFSET_AT, flattenBatch, stampBatch, writeInt64 } from '../../src/record/batch.ts'
import { buildBatch, type NewRecord } from '../../src/record/build-batch.ts'
import { CODEC_NAMES, type CodecName, compress, decompress } from '../../src/record/codecs.ts'
import { CommittedScan } from '../../src/record/committed-scan.ts'
import { clusterHash } from '../../src/record/position.ts'
import { decompressedBody } from '../../src/record/records.ts'
import { type TransformInput, transform } from '../../src/record/transform.ts'

const RECORDS_PER_BATCH = 256
const COALESCED = 8
const ROUNDS = 400
const WARM_UP_ROUNDS = 200
/** Native codecs hand out external memory, which is only given back between turns of the event loop. */
const ROUNDS_PER_TURN = 4

function event(sequence: number): NewRecord {
  const value = JSON.stringify({
    v: 2,
    type: 'user_action',
    id: randomBytes(8).toString('hex'),
    user: `u-${sequence % 5000}`,
    session: randomBytes(8).toString('hex'),
    action: ['view', 'click', 'scroll', 'buy'][sequence % 4],
    page: `/catalog/item/${(sequence * 7919) % 20_000}`,
    ip: `10.${sequence % 251}.${(sequence * 31) % 253}.${(sequence * 17) % 241}`,
    agent: 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101',
    at: 1_700_000_000_000 + sequence,
  })
  return { key: null, value: Buffer.from(value), timestampMs: 1_700_000_000_000 + (sequence >> 2) }
}

function sourceBatches(codec: CodecName): Buffer[] {
  return Array.from({ length: COALESCED }, (_, index) => {
    const records = Array.from({ length: RECORDS_PER_BATCH }, (_, at) => event(index * RECORDS_PER_BATCH + at))
    const ready = buildBatch(records, codec)
    stampBatch(ready, { producerId: 1, producerEpoch: 0 }, 0, false)
    const stored = flattenBatch(ready)
    writeInt64(stored, BASE_OFFSET_AT, index * RECORDS_PER_BATCH)
    return stored
  })
}

async function nsPerRecord(records: number, work: () => void): Promise<{ p20: number; median: number }> {
  const samples: number[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const before = process.hrtime.bigint()
    work()
    if (round >= 0) samples.push(Number(process.hrtime.bigint() - before) / records)
    if (round % ROUNDS_PER_TURN === 0) await nextTurn()
  }
  samples.sort((left, right) => left - right)
  return { p20: Math.round(samples[ROUNDS / 5]!), median: Math.round(samples[ROUNDS / 2]!) }
}

function input(batches: readonly Buffer[]): TransformInput {
  return {
    batches,
    from: 0,
    next: batches.length * RECORDS_PER_BATCH,
    origin: 'eu',
    stampMs: 1_700_000_000_000,
    relayed: false,
    topicId: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
    leaderEpoch: 0,
    gap: false,
    producerId: 4711,
    clusterHash: clusterHash('target'),
    maxHops: 3,
    maxBatchBytes: 16 * 1024 * 1024,
  }
}

async function report(name: string, records: number, work: () => void): Promise<void> {
  const { p20, median } = await nsPerRecord(records, work)
  console.log(`${name.padEnd(44)} ${String(p20).padStart(6)} ns (median ${median})`)
}

for (const codec of (process.argv[2]?.split(',') ?? CODEC_NAMES) as CodecName[]) {
  const batches = sourceBatches(codec)
  const single = input(batches.slice(0, 1))
  const coalesced = input(batches)
  const bytes = batches.reduce((sum, batch) => sum + decompressedBody(batch).length, 0)
  const out = transform(coalesced).batches[0]!
  const ratios = `${(bytes / batches.reduce((sum, batch) => sum + batch.length, 0)).toFixed(2)} in, ${(out.uncompressedBytes / out.ready.sizeBytes).toFixed(2)} out`
  console.log(`${codec}: ${(bytes / COALESCED / RECORDS_PER_BATCH).toFixed(0)} bytes a record, ratio ${ratios}`)
  await report('  transform, one batch of 64 KiB', RECORDS_PER_BATCH, () => transform(single))
  await report(`  transform, ${COALESCED} batches into one`, COALESCED * RECORDS_PER_BATCH, () => transform(coalesced))
  const codecId = CODEC_NAMES.indexOf(codec)
  const bodies = batches.map(batch => batch.subarray(61))
  await report('    of this: decompress', COALESCED * RECORDS_PER_BATCH, () => {
    for (const body of bodies) decompress(codecId, body)
  })
  const plain = Buffer.concat(bodies.map(body => decompress(codecId, body)))
  await report('    of this: compress', COALESCED * RECORDS_PER_BATCH, () => compress(codecId, plain))
}

const log = Buffer.concat(sourceBatches('lz4'))
await report('committed scan, per batch', COALESCED, () => {
  const scan = new CommittedScan(log, [], 0)
  while (scan.advance());
})
