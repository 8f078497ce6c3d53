/** Writes what the transform makes of the golden vectors, for Kafka's own reader to judge: see test/fixtures/golden. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BASE_OFFSET_AT,
  flattenBatch,
  isControl,
  nextOffsetOf,
  splitBatches,
  stampBatch,
  writeInt64,
} from '../../../src/record/batch.ts'
import { CODEC_NAMES } from '../../../src/record/codecs.ts'
import { type TransformInput, transform } from '../../../src/record/transform.ts'
import { goldenBytes, goldenNames } from './golden-files.ts'
import { input } from './transform-input.ts'

const directory = process.argv[2]!

function transformed(batches: readonly Buffer[], more: Partial<TransformInput>): Buffer[] {
  return transform(input(batches, more)).batches.map(({ ready }) => {
    stampBatch(ready, { producerId: 4711, producerEpoch: 0 }, 0, false)
    return flattenBatch(ready)
  })
}

function dataOf(name: string): Buffer[] {
  return splitBatches(goldenBytes(name)).filter(batch => !isControl(batch))
}

function write(name: string, batches: readonly Buffer[]): void {
  writeFileSync(join(directory, `${name}.bin`), Buffer.concat(batches))
}

mkdirSync(directory, { recursive: true })
for (const name of goldenNames) {
  const batches = dataOf(name)
  write(name, transformed(batches, { next: nextOffsetOf(batches.at(-1)!) }))
}
for (const codec of CODEC_NAMES) {
  // In the order of their offsets: one log of six kinds of batches.
  const small = ['tiny', 'no-timestamp', 'append-time', 'compacted', 'fields'].flatMap(kind =>
    dataOf(`${kind}-${codec}`),
  )
  const joined = transformed([...small, ...dataOf(`large-${codec}`)], {})
  write(`joined-${codec}`, joined)
  const split = transformed(small, { maxBatchBytes: 3000 })
  write(`split-${codec}`, split)
  let offset = 0
  const relayLog = split.map(batch => {
    const stored = Buffer.from(batch)
    writeInt64(stored, BASE_OFFSET_AT, offset)
    offset = nextOffsetOf(stored)
    return stored
  })
  write(`relayed-${codec}`, transformed(relayLog, { relayed: true }))
}
