import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What Kafka's reader found in a batch; see test/fixtures/golden/ReadBatches.java. */
export interface ManifestBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly sizeBytes: number
  readonly codec: string
  readonly leaderEpoch: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly maxTimestamp: number
  readonly deleteHorizon: boolean
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly transactional: boolean
  readonly control: boolean
  readonly count: number
  readonly records: readonly ManifestRecord[]
}

export interface ManifestRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

const DIRECTORY = join(import.meta.dirname, '../../fixtures/golden')
const MAX_HEX_BYTES = 64

export const goldenNames: readonly string[] = readdirSync(DIRECTORY)
  .filter(name => name.endsWith('.bin'))
  .map(name => name.slice(0, -'.bin'.length))

export function goldenBytes(name: string): Buffer {
  return readFileSync(join(DIRECTORY, `${name}.bin`))
}

export const manifest = JSON.parse(readFileSync(join(DIRECTORY, 'manifest.json'), 'utf8')) as Readonly<
  Record<string, readonly ManifestBatch[]>
>

/** A field as the manifest writes it. */
export function described(bytes: Buffer | null): string | null {
  if (bytes === null) return null
  if (bytes.length <= MAX_HEX_BYTES) return bytes.toString('hex')
  return `${bytes.length}:${createHash('sha256').update(bytes).digest('hex')}`
}
