import { clusterHash } from '../../../src/record/position.ts'
import type { TransformInput } from '../../../src/record/transform.ts'

export const TOPIC_ID = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
export const TARGET_HASH = clusterHash('target-cluster')

/** Everything a transform needs, with `more` put over it. */
export function input(batches: readonly Buffer[], more: Partial<TransformInput> = {}): TransformInput {
  return {
    batches,
    from: 0,
    next: Number.MAX_SAFE_INTEGER - 1,
    origin: 'eu',
    stampMs: 1_700_000_000_123,
    relayed: false,
    topicId: TOPIC_ID,
    leaderEpoch: 9,
    gap: false,
    producerId: 4711,
    clusterHash: TARGET_HASH,
    maxHops: 3,
    maxBatchBytes: 16 * 1024 * 1024,
    ...more,
  }
}
