import { hash } from 'node:crypto'
import type { ClusterTargetLog, TopicPartition } from '../../src/kafka/index.ts'
import { batchEnd, isControl, nextOffsetOf } from '../../src/record/batch.ts'
import type { NewRecord } from '../../src/record/build-batch.ts'
import { ISTHMUS_POSITION, REPLICATED_AT, SOURCE_DC } from '../../src/record/provenance.ts'
import { type BatchRecord, iterateRecords, type RecordHeader } from '../../src/record/records.ts'
import type { LoggedRecord } from './compare.ts'

/** Header that carries `origin/number`. */
export const ID_HEADER = 'demo-id'

const READ_BYTES = 4 * 1024 * 1024
const READ_WAIT_MS = 50
const PROVENANCE = new Set([SOURCE_DC, REPLICATED_AT, ISTHMUS_POSITION])

/** Follows one partition of one cluster and keeps an id and a fingerprint of every record. */
export class LogTail {
  readonly records: LoggedRecord[] = []
  private readonly log: ClusterTargetLog
  private readonly at: TopicPartition
  private next = 0

  constructor(log: ClusterTargetLog, at: TopicPartition) {
    this.log = log
    this.at = at
  }

  /** Reads up to the end of the log as it is now. */
  async advance(): Promise<void> {
    const { endOffset } = await this.log.offsets(this.at)
    while (this.next < endOffset) {
      const fetched = await this.log.read(this.at, this.next, READ_BYTES, READ_WAIT_MS)
      try {
        this.take(fetched.records)
      } finally {
        fetched.release()
      }
    }
  }

  private take(bytes: Buffer): void {
    const from = this.next
    for (let at = 0, end = batchEnd(bytes, 0); end > 0; at = end, end = batchEnd(bytes, end)) {
      this.next = Math.max(this.next, nextOffsetOf(bytes, at))
      if (isControl(bytes, at)) continue
      for (const record of iterateRecords(bytes.subarray(at, end)))
        if (record.offset >= from) this.records.push({ id: idOf(record), fingerprint: fingerprint(record) })
    }
  }
}

function idOf({ headers }: BatchRecord): string | undefined {
  return headers.find(({ key }) => key === ID_HEADER)?.value?.toString()
}

/** SHA-1 over everything that must cross unchanged. */
export function fingerprint({ timestampMs, key, value, headers = [] }: NewRecord): string {
  const own = headers.filter(header => !PROVENANCE.has(header.key))
  const parts = [String(timestampMs), bytesText(key), bytesText(value), ...own.map(headerText)]
  return hash('sha1', parts.join('\n'), 'base64')
}

function headerText({ key, value }: RecordHeader): string {
  return `${JSON.stringify(key)}=${bytesText(value)}`
}

/** Null differs from empty. */
function bytesText(bytes: Buffer | null): string {
  return bytes === null ? 'null' : `"${bytes.toString('base64')}"`
}
