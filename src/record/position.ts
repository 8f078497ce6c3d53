import { createHash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { readInt64, writeInt64 } from './batch.ts'
import { MAX_VARINT_BYTES, MAX_VARLONG_BYTES, VarintReader, writeVarint, writeVarlong } from './varint.ts'

/**
 * The value of the `isthmus-position` header (exactly-once.md 2.3): what a batch that a gateway wrote covers, and by
 * whom it was written. Read back at takeover, by relays, for offset translation and audit.
 *
 * Layout, version 1, big-endian, varints zig-zag:
 *   version u8 | flags u8 (bit 0: gap) | topic id 16 | leader epoch i32 | producerId i64 | cluster hash 8 | from i64 |
 *   next - from varlong | number of runs varint | per run: distance from the end of the run before (the first: from
 *   `from`) varlong, count varint
 */
export interface PositionHeader {
  /** Covered origin offsets [from, next), contiguous over holes. */
  readonly from: number
  readonly next: number
  /** A gap that the origin declared lies inside. */
  readonly gap: boolean
  /** Topic id in the origin cluster, canonical lower-case UUID text. */
  readonly topicId: string
  /** Origin leader epoch of the last record, -1 unknown. */
  readonly leaderEpoch: number
  /** The writer's, in the target cluster. A copied header never matches the producerId of the batch it stands in. */
  readonly producerId: number
  /** `clusterHash` of the target's cluster.id. */
  readonly clusterHash: Buffer
  /** Pairs [origin offset, count, origin offset, count …]: where records 0, 1, 2 … of the batch come from, ascending. */
  readonly runs: readonly number[]
}

const VERSION = 1
const GAP_FLAG = 0x01
const HASH_BYTES = 8
const TOPIC_ID_AT = 2
const LEADER_EPOCH_AT = 18
const PRODUCER_ID_AT = 22
const HASH_AT = 30
const FROM_AT = 38
const FIXED_BYTES = 46
const SMALLEST_RUN_BYTES = 2

/** First 8 bytes of SHA-256 over the cluster.id. */
export function clusterHash(clusterId: string): Buffer {
  return createHash('sha256').update(clusterId).digest().subarray(0, HASH_BYTES)
}

/** Upper bound of the encoded size with so many runs. */
export function maxPositionBytes(runCount: number): number {
  return FIXED_BYTES + MAX_VARLONG_BYTES + MAX_VARINT_BYTES + runCount * (MAX_VARLONG_BYTES + MAX_VARINT_BYTES)
}

/** Header value for a batch. The runs must be ascending, apart from one another and inside [from, next): anything else is a bug (INTERNAL). */
export function encodePosition(position: PositionHeader): Buffer {
  const { from, next, runs } = position
  const buffer = Buffer.allocUnsafe(maxPositionBytes(runs.length / 2))
  buffer[0] = VERSION
  buffer[1] = position.gap ? GAP_FLAG : 0
  topicIdBytes(position.topicId).copy(buffer, TOPIC_ID_AT)
  buffer.writeInt32BE(position.leaderEpoch, LEADER_EPOCH_AT)
  writeInt64(buffer, PRODUCER_ID_AT, position.producerId)
  position.clusterHash.copy(buffer, HASH_AT, 0, HASH_BYTES)
  writeInt64(buffer, FROM_AT, from)
  let at = writeVarlong(buffer, FIXED_BYTES, next - from)
  at = writeVarint(buffer, at, runs.length / 2)
  let end = from
  for (let index = 0; index < runs.length; index += 2) {
    const start = runs[index]!
    const count = runs[index + 1]!
    if (start < end || (index > 0 && start === end) || count < 1 || start + count > next) {
      throw new GatewayError('INTERNAL', 'partition', `run ${start}+${count} outside [${end}, ${next})`)
    }
    at = writeVarlong(buffer, at, start - end)
    at = writeVarint(buffer, at, count)
    end = start + count
  }
  return buffer.subarray(0, at)
}

/** Written by a gateway of another version? Whoever only looks on must not take it for damage, in a rolling upgrade. */
export function isOfOtherVersion(value: Buffer): boolean {
  return value.length > 0 && value[0] !== VERSION
}

/** Strict: POSITION_BROKEN for anything that `encodePosition` cannot have written. */
export function decodePosition(value: Buffer): PositionHeader {
  if (value.length < FIXED_BYTES) throw broken(`${value.length} bytes, at least ${FIXED_BYTES} expected`)
  const version = value[0]!
  if (version !== VERSION) throw broken(`version ${version}, this gateway knows ${VERSION}`)
  const flags = value[1]!
  if ((flags & ~GAP_FLAG) !== 0) throw broken(`unknown flags ${flags}`)
  const from = readInt64(value, FROM_AT)
  const producerId = readInt64(value, PRODUCER_ID_AT)
  if (!Number.isSafeInteger(from) || from < 0) throw broken(`from ${from}`)
  if (!Number.isSafeInteger(producerId) || producerId < 0) throw broken(`producerId ${producerId}`)
  const { next, runs } = decodeCovered(value, from)
  return {
    from,
    next,
    gap: (flags & GAP_FLAG) !== 0,
    topicId: topicIdText(value.subarray(TOPIC_ID_AT, LEADER_EPOCH_AT)),
    leaderEpoch: value.readInt32BE(LEADER_EPOCH_AT),
    producerId,
    // A copy: the batch it was read from may be a reused buffer.
    clusterHash: Buffer.from(value.subarray(HASH_AT, FROM_AT)),
    runs,
  }
}

function decodeCovered(value: Buffer, from: number): { next: number; runs: number[] } {
  const reader = new VarintReader(value, FIXED_BYTES, value.length)
  try {
    const next = from + reader.readVarlong()
    if (!Number.isSafeInteger(next) || next < from) throw broken(`covers [${from}, ${next})`)
    const runCount = reader.readVarint()
    if (runCount < 0 || runCount * SMALLEST_RUN_BYTES > value.length - reader.position) throw broken(`${runCount} runs`)
    const runs: number[] = []
    let end = from
    for (let index = 0; index < runCount; index++) {
      const distance = reader.readVarlong()
      const count = reader.readVarint()
      const start = end + distance
      // Runs that touch would be one run; only the first may begin at the end of what precedes it.
      if (distance < (index === 0 ? 0 : 1) || count < 1 || start + count > next) {
        throw broken(`run ${start}+${count} outside [${end}, ${next})`)
      }
      runs.push(start, count)
      end = start + count
    }
    if (reader.position !== value.length) throw broken(`${value.length - reader.position} bytes too many`)
    return { next, runs }
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BATCH_CORRUPT') throw broken(error.message)
    throw error
  }
}

function broken(what: string): GatewayError {
  return new GatewayError('POSITION_BROKEN', 'partition', `isthmus-position header: ${what}`)
}

/** Records that the batch held when it was written. */
export function positionRecordCount(position: PositionHeader): number {
  let count = 0
  for (let index = 1; index < position.runs.length; index += 2) count += position.runs[index]!
  return count
}

/** Origin offset of the record that stood `index`-th (its offsetDelta) when the batch was written; undefined: none did. */
export function originOffsetAt(position: PositionHeader, index: number): number | undefined {
  let left = index
  for (let run = 0; run < position.runs.length; run += 2) {
    const count = position.runs[run + 1]!
    if (left < count) return position.runs[run]! + left
    left -= count
  }
  return undefined
}

/** 16 bytes of canonical UUID text. A text that is none is a bug (INTERNAL). */
export function topicIdBytes(topicId: string): Buffer {
  const bytes = Buffer.from(topicId.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) throw new GatewayError('INTERNAL', 'topic', `topic id '${topicId}' is no UUID`)
  return bytes
}

/** Canonical lower-case UUID text of 16 bytes. */
export function topicIdText(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
