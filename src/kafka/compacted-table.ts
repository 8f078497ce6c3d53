import { crc32 } from 'node:zlib'
import { GatewayError } from '../errors.ts'
import type { CompactedTable } from '../ingest/ports.ts'
import { isControl, leaderEpochOf, nextOffsetOf, splitBatches } from '../record/batch.ts'
import { iterateRecords } from '../record/records.ts'
import type { KafkaCluster } from './cluster.ts'
import { KafkaFailure } from './failure.ts'
import type { LogQueries } from './log-queries.ts'
import { openLogReader } from './log-reader.ts'
import type { LogReader, ReaderFailure, ReaderHandle } from './log-reader-types.ts'
import { PlainWriter } from './plain-writer.ts'
import type { ClusterTargetLog } from './target-log.ts'
import type { Appended, FetchedBatches } from './types.ts'

/** How long `catchUp` and `start` wait for the reader to arrive. */
const CATCH_UP_MS = 60_000

export interface TableOptions<V> {
  readonly topic: string
  encode(value: V): Buffer
  /** May throw GatewayError: an entry that cannot be understood ends the table. */
  decode(value: Buffer, key: string): V
  /** What of a key chooses its partition; by default all of it. Keys that belong together stay together. */
  partitionBy?(key: string): string
}

export interface ClusterTable<V> extends CompactedTable<V> {
  /** Keys with a value. */
  readonly size: number
  /** Reads the whole topic. Rejects with KafkaFailure when it does not exist or cannot be read, GatewayError when it cannot be understood. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Every change in the order of the log, from the first entry on when registered before `start`; null: removed. */
  onChange(listener: (key: string, value: V | null) => void): void
  /** The table has ended by itself: its log was re-created, is gone or ends below what was read, or holds what cannot be understood. */
  onEnd(listener: (error: KafkaFailure | GatewayError) => void): void
  partitionOf(key: string): number
  /** Of the topic that was read at `start`. */
  topicId(): string
  /** Next offset per partition, as far as read. */
  endOffsets(): number[]
}

/**
 * A compacted topic as a map: read to its end at `start`, then followed. Own puts can be seen when they resolve. Records
 * of open and aborted transactions count too (read uncommitted); whoever writes such must not mind.
 */
export function openTable<V>(cluster: KafkaCluster, log: ClusterTargetLog, options: TableOptions<V>): ClusterTable<V> {
  const reader = openLogReader(cluster, log.queries, {
    name: `table-${options.topic}`,
    isolation: 'read-uncommitted',
    connectionsPerBroker: 1,
  })
  return new KafkaTable({ cluster, queries: log.queries, reader, writer: new PlainWriter(cluster) }, options)
}

interface TableParts {
  readonly cluster: KafkaCluster
  readonly queries: LogQueries
  readonly reader: LogReader
  readonly writer: PlainWriter
}

interface Entry<V> {
  /** null: removed by us and not read yet; kept until then, so that an older value that is read meanwhile does not come back. */
  readonly value: V | null
  readonly partition: number
  readonly offset: number
}

interface Followed {
  readonly handle: ReaderHandle
  /** Everything below was read. */
  next: number
}

class KafkaTable<V> implements ClusterTable<V> {
  private readonly parts: TableParts
  private readonly options: TableOptions<V>
  private readonly values = new Map<string, Entry<V>>()
  private followed: Followed[] = []
  private waiters: (() => void)[] = []
  private id = ''
  private ended: KafkaFailure | GatewayError | undefined
  private readonly changeListeners: ((key: string, value: V | null) => void)[] = []
  private readonly endListeners: ((error: KafkaFailure | GatewayError) => void)[] = []

  constructor(parts: TableParts, options: TableOptions<V>) {
    this.parts = parts
    this.options = options
  }

  async start(): Promise<void> {
    const { topic } = this.options
    const found = await this.parts.cluster.metadata.refresh(topic)
    if (found === undefined) throw new KafkaFailure('fatal', 'UNKNOWN_TOPIC_OR_PARTITION', `${topic} does not exist`)
    this.id = found.topicId
    const starts = await Promise.all(
      found.partitions.map(({ partition }) => this.parts.queries.earliest({ topic, partition })),
    )
    this.followed = starts.map(({ offset }, partition) => this.follow(partition, offset))
    await this.catchUp()
  }

  async stop(): Promise<void> {
    this.end(new KafkaFailure('retriable', 'TABLE_STOPPED', `the table of ${this.options.topic} is stopped`))
  }

  get size(): number {
    let size = 0
    for (const { value } of this.values.values()) if (value !== null) size++
    return size
  }

  onChange(listener: (key: string, value: V | null) => void): void {
    this.changeListeners.push(listener)
  }

  onEnd(listener: (error: KafkaFailure | GatewayError) => void): void {
    this.endListeners.push(listener)
  }

  get(key: string): V | undefined {
    return this.values.get(key)?.value ?? undefined
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, { value }] of this.values) if (value !== null) yield [key, value]
  }

  async put(key: string, value: V | null): Promise<Appended> {
    if (this.ended !== undefined) throw this.ended
    const partition = this.partitionOf(key)
    const encoded = value === null ? null : this.options.encode(value)
    const record = { key: Buffer.from(key), value: encoded, timestampMs: Date.now() }
    const appended = await this.parts.writer.produceOne({ topic: this.options.topic, partition }, record)
    // What was read already was taken then, and may have been followed by others.
    const read = this.followed[partition]!.next > appended.baseOffset
    if (!read) this.take(key, { value, partition, offset: appended.baseOffset })
    return appended
  }

  /** Rejects `retriable` TABLE_BEHIND when the end as of now is not reached in 60 s. */
  async catchUp(): Promise<void> {
    const { topic } = this.options
    const ends = await Promise.all(this.followed.map((_, partition) => this.parts.queries.latest({ topic, partition })))
    const arrived = () => ends.every(({ offset }, partition) => this.followed[partition]!.next >= offset)
    const deadlineMs = performance.now() + CATCH_UP_MS
    while (this.ended === undefined && !arrived()) {
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0)
        throw new KafkaFailure('retriable', 'TABLE_BEHIND', `${topic} was not read to its end in ${CATCH_UP_MS} ms`)
      await this.moved(leftMs)
    }
    if (this.ended !== undefined) throw this.ended
  }

  partitionOf(key: string): number {
    const chosenBy = this.options.partitionBy?.(key) ?? key
    return crc32(chosenBy) % Math.max(1, this.followed.length)
  }

  topicId(): string {
    return this.id
  }

  endOffsets(): number[] {
    return this.followed.map(({ next }) => next)
  }

  private follow(partition: number, offset: number): Followed {
    const { topic } = this.options
    const where = { topic, topicId: this.id, partition, offset, lastFetchedEpoch: -1 }
    const handle = this.parts.reader.add(where, {
      batches: fetched => this.read(partition, fetched),
      failed: failure => this.failed(failure),
    })
    return { handle, next: offset }
  }

  private read(partition: number, fetched: FetchedBatches): void {
    const followed = this.followed[partition]!
    let leaderEpoch = -1
    for (const batch of splitBatches(fetched.records)) {
      if (!isControl(batch)) {
        for (const { key, value, offset } of iterateRecords(batch)) {
          if (key !== null && offset >= followed.next) this.readRecord(key.toString(), value, partition, offset)
        }
      }
      followed.next = nextOffsetOf(batch)
      leaderEpoch = leaderEpochOf(batch)
    }
    fetched.release()
    followed.handle.next(followed.next, leaderEpoch)
    this.wake()
  }

  private readRecord(key: string, bytes: Buffer | null, partition: number, offset: number): void {
    try {
      // A copy: the response's buffer is used again.
      const value = bytes === null ? null : this.options.decode(Buffer.from(bytes), key)
      this.take(key, { value, partition, offset })
      const known = this.values.get(key)
      // Everything older was read.
      if (known?.value === null && known.partition === partition && known.offset <= offset) this.values.delete(key)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.endByItself(error)
    }
  }

  private take(key: string, entry: Entry<V>): void {
    const known = this.values.get(key)
    // Our own put may be known before it is read; partitions have no order among them, and a key stays in its own.
    if (known !== undefined && known.partition === entry.partition && known.offset >= entry.offset) return
    this.values.set(key, entry)
    for (const listener of this.changeListeners) listener(key, entry.value)
  }

  private failed(failure: ReaderFailure): void {
    const message = `the log of ${this.options.topic} is not the one that was read: ${failure.kind}`
    this.endByItself(new KafkaFailure('fatal', 'TABLE_LOST', message))
  }

  private endByItself(error: KafkaFailure | GatewayError): void {
    if (this.ended !== undefined) return
    this.end(error)
    for (const listener of this.endListeners) listener(error)
  }

  private end(error: KafkaFailure | GatewayError): void {
    this.ended ??= error
    this.parts.reader.close()
    this.wake()
  }

  private moved(withinMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, withinMs)
      this.waiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  private wake(): void {
    for (const wake of this.waiters.splice(0)) wake()
  }
}
