import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import * as header from '../../../src/record/batch.ts'
import { CODEC_NAMES, compress, decompress, MAX_DECOMPRESSED_BYTES } from '../../../src/record/codecs.ts'
import { CommittedScan } from '../../../src/record/committed-scan.ts'
import { iterateRecords, lastRecord, positionOf } from '../../../src/record/records.ts'
import { transform } from '../../../src/record/transform.ts'
import { uncompressedEstimate } from '../../../src/record/uncompressed-estimate.ts'
import { goldenBytes, goldenNames } from './golden-files.ts'
import { withRightCrc } from './raw-batch.ts'
import { input } from './transform-input.ts'

/**
 * Broken bytes at every layer: each outcome is a GatewayError or a valid result; never another exception, a hang, or
 * memory beyond the limit. `FUZZ_SECONDS=600 npx vitest run test/unit/record/fuzz` runs long, `FUZZ_SEED` repeats.
 */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 3)
const SEED = Number(process.env.FUZZ_SEED ?? 20_260_101)
/** Far beyond any honest run: a hang. */
const SLOW_MS = 20_000
/** What one input may leave allocated at once, decoded and encoded bytes together. */
const MEMORY_BYTES = 4 * MAX_DECOMPRESSED_BYTES

/** Deterministic (mulberry32): a failure prints its seed and round. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
type Random = ReturnType<typeof randomOf>

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x3f]

function mutate(bytes: Buffer, random: Random): Buffer {
  let out = Buffer.from(bytes)
  for (let changes = 1 + random(4); changes > 0 && out.length > 0; changes--) {
    const at = random(out.length)
    switch (random(6)) {
      case 0:
        out[at] = random(256)
        break
      case 1:
        out[at]! ^= 1 << random(8)
        break
      case 2:
        out[at] = INTERESTING[random(INTERESTING.length)]!
        break
      case 3:
        out = out.subarray(0, at)
        break
      case 4: {
        const piece = out.subarray(at, Math.min(out.length, at + 1 + random(40)))
        out = Buffer.concat([out.subarray(0, at), piece, out.subarray(at)])
        break
      }
      default:
        if (at + 4 <= out.length) out.writeInt32BE([-1, 0x7fffffff, 1 << random(31), 0][random(4)]!, at)
    }
  }
  return out
}

/** A whole batch around damaged parts: length and CRC right, so that the damage reaches the layers behind. */
function sealed(head: Buffer, body: Buffer): Buffer {
  const batch = Buffer.concat([head, body])
  batch.writeInt32BE(batch.length - header.LOG_OVERHEAD_BYTES, header.BATCH_LENGTH_AT)
  batch[header.MAGIC_AT] = 2
  return withRightCrc(batch)
}

const sources = goldenNames
  .flatMap(name => header.splitBatches(goldenBytes(name)))
  .filter(batch => batch.length < 20_000)
const relayedSources = sources
  .filter(batch => !header.isControl(batch))
  .flatMap(batch => transform(input([batch])).batches)
  .map(({ ready }) => withRightCrc(header.flattenBatch(ready)))

/** Raw bytes, compressed bytes, or the records under the compression. */
function broken(random: Random): Buffer {
  const batch = random(2) === 0 ? sources[random(sources.length)]! : relayedSources[random(relayedSources.length)]!
  const head = Buffer.from(batch.subarray(0, header.HEADER_BYTES))
  const body = batch.subarray(header.HEADER_BYTES)
  switch (random(4)) {
    case 0:
      return mutate(batch, random)
    case 1:
      return sealed(head, mutate(body, random))
    case 2: {
      const damagedHead = mutate(head.subarray(header.ATTRIBUTES_AT), random)
      const padded = Buffer.concat([head.subarray(0, header.ATTRIBUTES_AT), damagedHead, Buffer.alloc(61)])
      return sealed(padded.subarray(0, header.HEADER_BYTES), body)
    }
    default: {
      if (body.length === 0) return batch
      const codecId = header.codecIdOf(batch)
      const records = mutate(decompress(codecId, body), random)
      // The same records under another codec, now and then.
      const written = random(3) === 0 ? random(CODEC_NAMES.length) : codecId
      head.writeInt16BE((head.readInt16BE(header.ATTRIBUTES_AT) & ~header.CODEC_MASK) | written, header.ATTRIBUTES_AT)
      return sealed(head, Buffer.concat(compress(written, records)))
    }
  }
}

function tolerated(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code === 'INTERNAL') throw error
    expect(error.message.length).toBeLessThan(500)
  }
}

function scanAll(bytes: Buffer, random: Random): void {
  const aborted = Array.from({ length: random(4) }, () => ({ producerId: random(5000), firstOffset: random(500) }))
  const scan = new CommittedScan(bytes, aborted, 0)
  let last = -1
  while (scan.advance()) {
    expect(scan.end).toBeLessThanOrEqual(bytes.length)
    expect(scan.start).toBeGreaterThan(last)
    last = scan.start
  }
}

/** A result must be whole: what it says it holds can be read from it. */
function transformAll(batch: Buffer, random: Random): void {
  const maxBatchBytes = random(3) === 0 ? 400 + random(5000) : 1_000_000
  const next = 2 ** 45
  const result = transform(
    input(random(2) === 0 ? [batch] : [sources[0]!, batch], { relayed: random(3) === 0, maxBatchBytes, next }),
  )
  let from = 0
  for (const written of result.batches) {
    const bytes = header.flattenBatch(written.ready)
    expect(bytes.length).toBeLessThanOrEqual(maxBatchBytes)
    expect([...iterateRecords(bytes)].length).toBe(written.recordCount)
    expect(positionOf(bytes)).toMatchObject({ from, next: written.next })
    from = written.next
  }
  if (result.batches.length > 0) expect(from).toBe(next)
}

describe('broken bytes', () => {
  test('end in a GatewayError or a valid result at every layer, in bounded time and memory', {
    timeout: SECONDS * 1000 + 60_000,
  }, async () => {
    const end = performance.now() + SECONDS * 1000
    for (let round = 0; performance.now() < end; round++) {
      const random = randomOf(SEED + round)
      const batch = broken(random)
      const before = process.memoryUsage().rss
      const started = performance.now()
      try {
        tolerated(() => scanAll(batch, random))
        tolerated(() => void header.splitBatches(batch))
        if (batch.length >= header.HEADER_BYTES) {
          tolerated(() => void [...iterateRecords(batch)])
          tolerated(() => void lastRecord(batch))
          tolerated(() => void positionOf(batch))
          tolerated(() => void uncompressedEstimate(batch))
        }
        tolerated(() => transformAll(batch, random))
        expect(performance.now() - started).toBeLessThan(SLOW_MS)
        expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES)
      } catch (error) {
        throw new Error(`FUZZ_SEED=${SEED + round}: ${batch.length} bytes ${batch.toString('base64')}`, {
          cause: error,
        })
      }
      // External memory of the native codecs is given back between turns.
      if (round % 50 === 0) await new Promise(setImmediate)
    }
  })

  test('of every codec end in an error or at most the allowed bytes', () => {
    const random = randomOf(SEED)
    const plain = CODEC_NAMES.map((_, codecId) => Buffer.concat(compress(codecId, Buffer.alloc(3000, 'some text '))))
    for (let round = 0; round < 5000; round++) {
      const codecId = random(CODEC_NAMES.length)
      const bytes = mutate(plain[codecId]!, random)
      tolerated(() => expect(decompress(codecId, bytes, 4096).length).toBeLessThanOrEqual(Math.max(4096, bytes.length)))
    }
  })
})
