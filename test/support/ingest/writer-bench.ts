import { randomUUID } from 'node:crypto'
import { systemClock } from '../../../src/component.ts'
import type { IngestLimits } from '../../../src/ingest/limits.ts'
import { InFlightBudget, TakeoverGate } from '../../../src/ingest/node-budget.ts'
import { PartitionWriter } from '../../../src/ingest/partition-writer.ts'
import type {
  Checkpoint,
  Checkpoints,
  IngestObserver,
  TargetLog,
  WriterEntry,
  WriterRegistry,
} from '../../../src/ingest/ports.ts'
import type { SourceChannel } from '../../../src/ingest/source-feed.ts'
import { flattenBatch, splitBatches, stampBatch, writeInt64 } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { clusterHash } from '../../../src/record/position.ts'
import { iterateRecords } from '../../../src/record/records.ts'
import { eventually } from '../processes.ts'

const WITHIN_MS = 20_000

export const TEST_LIMITS: IngestLimits = {
  laneCreditBytes: 4 * 1024 * 1024,
  targetBatchBytes: 512 * 1024,
  maxInFlightBytes: 64 * 1024 * 1024,
  maxReplicationHops: 3,
  sessionTimeoutMs: 3_000,
  producerIdExpirationMs: 24 * 3_600_000,
  transactionalIdExpirationMs: 7 * 24 * 3_600_000,
}

/** Records of one partition of the origin, and the writers of its copy. The shared state lives in memory here. */
export class Bench {
  readonly #target: TargetLog
  readonly #clusterId: string
  readonly #topic: string
  readonly #compacted: boolean
  readonly #log: { values: string[]; batch: Buffer; baseOffset: number; next: number }[] = []
  readonly #topicId = randomUUID()
  readonly #writers = new Map<PartitionWriter, () => void>()
  readonly registry = new MemoryRegistry()
  readonly checkpoints = new MemoryCheckpoints()
  readonly events: string[] = []

  constructor(
    target: TargetLog,
    clusterId: string,
    topic: string,
    options: { compacted?: boolean; progressTopicId?: string } = {},
  ) {
    this.#target = target
    this.#clusterId = clusterId
    this.#topic = topic
    this.#compacted = options.compacted ?? false
    this.checkpoints.progressTopicId = options.progressTopicId ?? ''
  }

  get sourceEnd(): number {
    return this.#log.at(-1)?.next ?? 0
  }

  sourceValues(): string[] {
    return this.#log.flatMap(entry => entry.values)
  }

  /** `count` more records at the origin, in batches of up to 20. */
  produce(count: number, timestampMs = Date.now()): void {
    for (let made = 0; made < count; made += 20) {
      const baseOffset = this.sourceEnd
      const values = Array.from({ length: Math.min(20, count - made) }, (_, i) => `${this.#topic} ${baseOffset + i}`)
      const records = values.map((value, i) => ({
        key: Buffer.from(`k${baseOffset + i}`),
        value: Buffer.from(value),
        timestampMs,
      }))
      const ready = buildBatch(records, 'lz4')
      stampBatch(ready, { producerId: -1, producerEpoch: -1 }, -1, false)
      const batch = flattenBatch(ready)
      writeInt64(batch, 0, baseOffset)
      this.#log.push({ values, batch, baseOffset, next: baseOffset + values.length })
    }
    for (const push of this.#writers.values()) push()
  }

  startWriter(target: TargetLog = this.#target): PartitionWriter {
    const spec = {
      origin: 'eu',
      topic: this.#topic,
      originTopic: this.#topic,
      partition: 0,
      lane: 0,
      compacted: this.#compacted,
      maxMessageBytes: 1024 * 1024,
      onGap: 'skip',
    } as const
    const policy = {
      start: { kind: 'earliest' },
      gap: 'skip',
      originRecreated: 'halt',
      targetRecreated: 'refill',
    } as const
    const budget = new InFlightBudget(TEST_LIMITS.maxInFlightBytes)
    const writer = new PartitionWriter(spec, policy, {
      target,
      registry: this.registry,
      checkpoints: this.checkpoints,
      clock: systemClock,
      random: Math.random,
      limits: TEST_LIMITS,
      observer: this.#observer(),
      clusterHash: clusterHash(this.#clusterId),
      inFlight: budget,
      takeoverGate: new TakeoverGate(systemClock),
      isOwner: () => true,
      giveBack: () => {},
    })
    writer.feed.attach(this.#channel(writer))
    writer.start()
    return writer
  }

  /** Waits until everything of the source is safe in the target; a failure tells what the writer did. */
  async allWritten(writer: PartitionWriter): Promise<void> {
    await this.#until('all is written', writer, () => writer.standing.position === this.sourceEnd)
  }

  async running(writer: PartitionWriter): Promise<void> {
    await this.#until('the writer runs', writer, () => writer.state.kind === 'running')
  }

  async #until(what: string, writer: PartitionWriter, check: () => boolean): Promise<void> {
    try {
      await eventually(what, WITHIN_MS, check)
    } catch (failure) {
      const { state, standing } = writer
      throw new Error(
        JSON.stringify({ state, standing, sourceEnd: this.sourceEnd, events: this.events }, undefined, 1),
        { cause: failure },
      )
    }
  }

  /** Values in the target log that readers of committed data see, in order. */
  async targetValues(): Promise<string[]> {
    const { endOffset } = await this.#target.offsets({ topic: this.#topic, partition: 0 })
    const values: string[] = []
    const open = new Map<bigint, string[]>()
    let offset = 0
    while (offset < endOffset) {
      const fetched = await this.#target.read({ topic: this.#topic, partition: 0 }, offset, 1024 * 1024, 500)
      for (const batch of splitBatches(fetched.records)) {
        const attributes = batch.readInt16BE(21)
        const producerId = batch.readBigInt64BE(43)
        const records = [...iterateRecords(batch)]
        offset = Number(batch.readBigInt64BE(0)) + batch.readInt32BE(23) + 1
        if (attributes & 0x20) {
          if (records[0]!.key!.readInt16BE(2) === 1) values.push(...(open.get(producerId) ?? []))
          open.delete(producerId)
        } else if (attributes & 0x10) {
          open.set(producerId, [...(open.get(producerId) ?? []), ...records.map(record => String(record.value))])
        } else values.push(...records.map(record => String(record.value)))
      }
      fetched.release()
    }
    return values
  }

  #channel(writer: PartitionWriter): SourceChannel {
    let next: number | undefined
    const push = () => {
      for (const entry of this.#log) {
        if (next === undefined || entry.next <= next) continue
        const from = next
        next = entry.next
        writer.feed.onFrame({
          channel: 1,
          from,
          next,
          leaderEpoch: 0,
          highWatermark: this.sourceEnd,
          sourceTimeMs: Date.now(),
          batches: [entry.batch],
          relayed: false,
          gap: false,
        })
      }
    }
    this.#writers.set(writer, push)
    return {
      open: start => {
        next = start.kind === 'position' ? start.offset : 0
        const position = next
        setImmediate(() => {
          writer.feed.onOpened({
            channel: 1,
            topicId: this.#topicId,
            position,
            logStart: 0,
            highWatermark: this.sourceEnd,
          })
          push()
        })
      },
      close: () => {
        next = undefined
      },
      ack: () => {},
    }
  }

  #observer(): IngestObserver {
    return {
      event: event => this.events.push(`${event.name}: ${event.message}`),
      takeover: () => {},
      appended: () => {},
      received: () => {},
      appendFailed: () => {},
      dropped: () => {},
      provenanceReplaced: () => {},
      log: (level, message, fields) => {
        if (level !== 'debug') this.events.push(`${level} ${message} ${JSON.stringify(fields)}`)
      },
    }
  }
}

export class MemoryRegistry implements WriterRegistry {
  readonly entries: WriterEntry[] = []
  readonly generations = new Map<string, number>()

  writersOf(origin: string, topic: string, partition: number): readonly WriterEntry[] {
    return this.entries.filter(one => one.origin === origin && one.topic === topic && one.partition === partition)
  }
  generationOf(origin: string, topic: string, partition: number): number {
    return this.generations.get(`${origin}/${topic}/${partition}`) ?? 0
  }
  async register(entry: WriterEntry): Promise<void> {
    this.entries.push(entry)
  }
  async setGeneration(origin: string, topic: string, partition: number, generation: number): Promise<void> {
    this.generations.set(`${origin}/${topic}/${partition}`, generation)
  }
  async catchUp(): Promise<void> {}
}

export class MemoryCheckpoints implements Checkpoints {
  readonly saved = new Map<string, Checkpoint>()

  of(origin: string, topic: string, partition: number): readonly Checkpoint[] {
    return [...this.saved.values()].filter(
      one => one.origin === origin && one.topic === topic && one.partition === partition,
    )
  }
  async save(checkpoint: Checkpoint): Promise<void> {
    this.saved.set(keyOf(checkpoint), checkpoint)
  }
  async remove(checkpoints: readonly Checkpoint[]): Promise<void> {
    for (const one of checkpoints) this.saved.delete(keyOf(one))
  }
  async catchUp(): Promise<void> {}
  progressPartition() {
    return { topic: '__isthmus.progress', partition: 0 }
  }
  progressRecord(checkpoint: Checkpoint) {
    return {
      partition: this.progressPartition(),
      topicId: this.progressTopicId,
      key: Buffer.from(keyOf(checkpoint)),
      value: Buffer.from(''),
    }
  }
  progressTopicId = ''
}

function keyOf(one: Checkpoint): string {
  return `${one.topic}/${one.partition}/${one.producerId}/${one.producerEpoch}/${one.transaction ? 'txn' : ''}`
}
