import { type KafkaCluster, PlainWriter } from '../../src/kafka/index.ts'
import type { NewRecord } from '../../src/record/build-batch.ts'
import type { LoggedRecord } from './compare.ts'
import { fingerprint, ID_HEADER } from './log-tail.ts'

const TICK_MS = 50
const TOMBSTONE_EVERY = 17
const NO_KEY_EVERY = 23

export interface TopicPlan {
  readonly topic: string
  readonly partitions: number
}

/** `topic/partition`, the key under which a partition's records are kept. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** An application of one data center: writes at a steady rate and remembers what was acknowledged. */
export class Traffic {
  readonly dc: string
  /** Acknowledged records by partition key and id. */
  readonly acked = new Map<string, Map<string, LoggedRecord>>()
  ackedCount = 0
  /** Writes whose outcome is not known. */
  doubtfulCount = 0
  private readonly writer: PlainWriter
  private readonly topics: readonly TopicPlan[]
  private readonly recordsPerSecond: number
  private readonly outstanding = new Set<Promise<void>>()
  private timer: NodeJS.Timeout | undefined
  private startedMs = 0
  private count = 0

  constructor(dc: string, cluster: KafkaCluster, topics: readonly TopicPlan[], recordsPerSecond: number) {
    this.dc = dc
    this.writer = new PlainWriter(cluster)
    this.topics = topics
    this.recordsPerSecond = recordsPerSecond
  }

  start(): void {
    this.startedMs = performance.now()
    this.timer = setInterval(() => this.tick(), TICK_MS)
  }

  /** Resolves when every write has its answer. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    await Promise.all(this.outstanding)
  }

  private tick(): void {
    const due = Math.floor(((performance.now() - this.startedMs) / 1000) * this.recordsPerSecond)
    while (this.count < due) this.write(this.count++)
  }

  private write(number: number): void {
    const { topic, partitions } = this.topics[number % this.topics.length]!
    const partition = Math.floor(number / this.topics.length) % partitions
    const id = `${this.dc}/${number}`
    const record = newRecord(id, number)
    const written = this.writer
      .produceOne({ topic, partition }, record)
      .then(
        () => this.remember(partitionKey(topic, partition), id, record),
        () => {
          this.doubtfulCount++
        },
      )
      .finally(() => this.outstanding.delete(written))
    this.outstanding.add(written)
  }

  private remember(partition: string, id: string, record: NewRecord): void {
    this.ackedCount++
    this.acked.getOrInsertComputed(partition, () => new Map()).set(id, { id, fingerprint: fingerprint(record) })
  }
}

/** An event of a shop, with what real topics hold too: tombstones, missing keys, repeated headers and a null one. */
function newRecord(id: string, number: number): NewRecord {
  const key = number % NO_KEY_EVERY === 0 ? null : Buffer.from(`customer-${number % 1000}`)
  const event = {
    order: id,
    amountCents: (number * 7919) % 100_000,
    items: 1 + (number % 5),
    note: 'x'.repeat(number % 200),
  }
  return {
    key,
    value: key !== null && number % TOMBSTONE_EVERY === 0 ? null : Buffer.from(JSON.stringify(event)),
    timestampMs: Date.now(),
    headers: [
      { key: ID_HEADER, value: Buffer.from(id) },
      { key: 'trace', value: Buffer.from(String(number)) },
      { key: 'trace', value: null },
    ],
  }
}
