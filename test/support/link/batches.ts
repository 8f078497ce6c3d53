import { crc32c } from '@node-rs/crc32'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BATCH_LENGTH_AT,
  CRC_AT,
  HEADER_BYTES,
  LAST_OFFSET_DELTA_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  writeInt64,
} from '../../../src/record/batch.ts'

export interface BatchShape {
  readonly baseOffset: number
  readonly records?: number
  readonly bodyBytes?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly attributes?: number
}

/** A batch whose header and CRC are right; the body is filler, which only those who decompress it would mind. */
export function batchOf(shape: BatchShape): Buffer {
  const { baseOffset, records = 1, bodyBytes = 100, producerId = -1, producerEpoch = -1, attributes = 0 } = shape
  const batch = Buffer.alloc(HEADER_BYTES + bodyBytes, 7)
  batch.fill(0, 0, HEADER_BYTES)
  writeInt64(batch, BASE_OFFSET_AT, baseOffset)
  batch.writeInt32BE(batch.length - LOG_OVERHEAD_BYTES, BATCH_LENGTH_AT)
  batch[MAGIC_AT] = 2
  batch.writeInt16BE(attributes, ATTRIBUTES_AT)
  batch.writeInt32BE(records - 1, LAST_OFFSET_DELTA_AT)
  writeInt64(batch, PRODUCER_ID_AT, producerId)
  batch.writeInt16BE(producerEpoch, PRODUCER_EPOCH_AT)
  batch.writeInt32BE(records, RECORD_COUNT_AT)
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
  return batch
}
