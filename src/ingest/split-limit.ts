import { GatewayError } from '../errors.ts'
import type { TransformedBatch } from '../record/transform.ts'
import type { PartitionSpec } from './run.ts'

/** A record over the limit in a batch this small cannot be split away any more. */
const SMALLEST_SPLIT_BYTES = 1024

/** Wire limit of one target batch: the topic's, and half of what the target refused once it refused one. */
export class SplitLimit {
  readonly #spec: PartitionSpec
  #maxBatchBytes: number

  constructor(spec: PartitionSpec) {
    this.#spec = spec
    this.#maxBatchBytes = spec.maxMessageBytes
  }

  get maxBatchBytes(): number {
    return this.#maxBatchBytes
  }

  /** Remembers a smaller limit; an error when the batch cannot be split any further. */
  refused(batch: TransformedBatch): GatewayError | undefined {
    const { sizeBytes } = batch.ready
    if (batch.recordCount > 1 && sizeBytes > SMALLEST_SPLIT_BYTES) {
      this.#maxBatchBytes = Math.min(this.#maxBatchBytes, Math.floor(sizeBytes / 2))
      return undefined
    }
    const { topic, partition } = this.#spec
    return new GatewayError(
      'BATCH_TOO_LARGE',
      'record',
      `${topic}-${partition}: the record at origin offset ${batch.next - 1} makes a batch of ${sizeBytes} bytes, more than the target topic allows`,
      {
        hint: `raise max.message.bytes of ${topic} in this cluster; the partition goes on when the gateway has seen it`,
      },
    )
  }
}
