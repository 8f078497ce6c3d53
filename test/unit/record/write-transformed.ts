/** Writes what the transform makes of every golden vector, for Kafka's own reader to judge: see test/fixtures/golden. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flattenBatch, isControl, nextOffsetOf, splitBatches, stampBatch } from '../../../src/record/batch.ts'
import { clusterHash } from '../../../src/record/position.ts'
import { transform } from '../../../src/record/transform.ts'
import { goldenBytes, goldenNames } from './golden-files.ts'

const directory = process.argv[2]!
mkdirSync(directory, { recursive: true })
for (const name of goldenNames) {
  const batches = splitBatches(goldenBytes(name)).filter(batch => !isControl(batch))
  const result = transform({
    batches,
    from: 0,
    next: nextOffsetOf(batches.at(-1)!),
    origin: 'eu',
    stampMs: 1_700_000_000_000,
    relayed: false,
    topicId: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
    leaderEpoch: 12,
    gap: false,
    producerId: 1,
    clusterHash: clusterHash('us'),
    maxHops: 3,
    maxBatchBytes: 1_000_000,
  })
  const stamped = result.batches.map(({ ready }) => {
    stampBatch(ready, { producerId: 1, producerEpoch: 0 }, 0, false)
    return flattenBatch(ready)
  })
  writeFileSync(join(directory, `${name}.bin`), Buffer.concat(stamped))
}
