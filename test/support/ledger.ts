import type { LocalHandle } from '../../deploy/local/types.ts'
import { KafkaCluster } from '../../src/kafka/cluster.ts'
import { type ClusterTargetLog, openTargetLog } from '../../src/kafka/target-log.ts'
import type { TopicPartition } from '../../src/kafka/types.ts'
import { type LedgerAdmin, ledgerAdmin } from './ledger-admin.ts'
import { judgePartition, LedgerVerdict, type PartitionCase } from './ledger-judge.ts'
import { LedgerLogReader } from './ledger-log.ts'
import { LedgerProducer, type ProducerOptions } from './ledger-producer.ts'
import { type SeededRandom, seededRandom } from './ledger-random.ts'

export interface LedgerOptions {
  readonly seed: number
  /** Gateways a record of `origin` passes on its way to `target`, undefined where it may not go. Default: one. */
  readonly hops?: PartitionCase['hops']
}

/** One data center as the ledger sees it. */
export interface LedgerDc {
  readonly dc: string
  readonly bootstrap: string
  readonly log: ClusterTargetLog
  readonly admin: LedgerAdmin
}

export interface LoadOptions {
  readonly topic: string
  readonly partitions: readonly number[]
  /** Data centers with producers, default all. */
  readonly dcs?: readonly string[]
  readonly recordsPerSecond: number
  /** Plain idempotent producers and transactional ones (10 % aborted), per data center. */
  readonly plain?: number
  readonly transactional?: number
  /** Age of the timestamps. */
  readonly ageMs?: number
}

const ABORT_SHARE = 0.1
const JUDGE_EVERY_MS = 500

/**
 * The judge of everything that moves records: producers in each data center log what was acknowledged, readers read
 * every log, and the verdict compares them. It believes no word of the gateway.
 */
export class Ledger {
  readonly dcs: readonly LedgerDc[]
  private readonly clusters: readonly KafkaCluster[]
  private readonly random: SeededRandom
  private readonly hops: PartitionCase['hops']
  private readonly producers: LedgerProducer[] = []
  private readonly watched = new Map<string, TopicPartition>()
  private readonly readers = new Map<string, LedgerLogReader>()
  private acked = new Map<string, string[]>()
  private excuses: PartitionCase['excused']
  private producerCount = 0

  private constructor(dcs: readonly LedgerDc[], clusters: readonly KafkaCluster[], options: LedgerOptions) {
    this.dcs = dcs
    this.clusters = clusters
    this.random = seededRandom(options.seed)
    this.hops = options.hops ?? (() => 1)
  }

  static async open(local: Pick<LocalHandle, 'info'>, options: LedgerOptions): Promise<Ledger> {
    const clusters: KafkaCluster[] = []
    const dcs: LedgerDc[] = []
    for (const [dc, { kafka }] of Object.entries(local.info().dcs)) {
      const cluster = await KafkaCluster.connect({ brokers: kafka.split(','), clientId: `ledger-${dc}` })
      clusters.push(cluster)
      dcs.push({ dc, bootstrap: kafka, log: openTargetLog(cluster), admin: await ledgerAdmin(kafka) })
    }
    return new Ledger(dcs, clusters, options)
  }

  dc(name: string): LedgerDc {
    const found = this.dcs.find(each => each.dc === name)
    if (found === undefined) throw new Error(`no data center ${name}`)
    return found
  }

  /** Creates a topic in the data centers named (default all) and watches all its partitions. */
  async createTopic(
    topic: string,
    partitions: number,
    more: { configs?: Readonly<Record<string, string>>; dcs?: readonly string[] } = {},
  ): Promise<void> {
    for (const { dc, admin } of this.dcs) {
      if (more.dcs?.includes(dc) ?? true) await admin.createTopic(topic, partitions, more.configs)
    }
    this.watch(
      topic,
      Array.from({ length: partitions }, (_, partition) => partition),
    )
  }

  /** From now on these partitions are read and judged in every data center. */
  watch(topic: string, partitions: readonly number[]): void {
    for (const partition of partitions) this.watched.set(`${topic}/${partition}`, { topic, partition })
  }

  unwatch(topic: string): void {
    for (const [key, at] of this.watched) if (at.topic === topic) this.watched.delete(key)
  }

  /** Adds producers; they write as soon as the load runs, or at once. */
  addLoad(load: LoadOptions, when: 'with-load' | 'now' = 'with-load'): void {
    const partitions = load.partitions.map(partition => ({ topic: load.topic, partition }))
    const known = this.producers.length
    for (const { dc, log } of this.dcs) {
      if (!(load.dcs?.includes(dc) ?? true)) continue
      for (let i = 0; i < (load.plain ?? 0); i++) this.addProducer(log, dc, load, partitions, undefined)
      for (let i = 0; i < (load.transactional ?? 0); i++) this.addProducer(log, dc, load, partitions, ABORT_SHARE)
    }
    if (when === 'now') for (const producer of this.producers.slice(known)) producer.start()
  }

  startLoad(): void {
    for (const producer of this.producers) producer.start()
  }

  async stopLoad(): Promise<void> {
    await Promise.all(this.producers.map(producer => producer.stop()))
  }

  /** Stops and forgets all producers: the next load is another. */
  async endLoad(): Promise<void> {
    await this.stopLoad()
    this.producers.length = 0
  }

  get written(): number {
    return this.producers.reduce((total, producer) => total + producer.written, 0)
  }

  /** Records a target may lack: those of a gap that was reported, or deleted on purpose. */
  excuse(excused: NonNullable<PartitionCase['excused']>): void {
    this.excuses = excused
  }

  /** Records that something else wrote and saw acknowledged. */
  acknowledged(dc: string, at: TopicPartition, ids: readonly string[]): void {
    const key = ackKey(dc, at)
    const known = this.acked.getOrInsertComputed(key, () => [])
    for (const id of ids) known.push(id)
  }

  /** Judges again and again until every data center is exact or `deadlineMs` has passed; the last verdict is the answer. */
  async verdict(deadlineMs: number): Promise<LedgerVerdict> {
    const endMs = performance.now() + deadlineMs
    for (;;) {
      const verdict = await this.judge().catch((error: Error) => error)
      const isExact = !(verdict instanceof Error) && verdict.exact
      if (isExact || performance.now() > endMs) {
        if (verdict instanceof Error) throw verdict
        return verdict
      }
      await new Promise(resolve => setTimeout(resolve, JUDGE_EVERY_MS))
    }
  }

  /** One reading and one judgement, of whatever stands there now. */
  async judge(): Promise<LedgerVerdict> {
    const total = new LedgerVerdict()
    for (const at of this.watched.values()) {
      const logs = new Map<string, LedgerLogReader['entries']>()
      await Promise.all(this.dcs.map(async dc => logs.set(dc.dc, await this.read(dc, at))))
      const acked = new Map(this.dcs.map(({ dc }) => [dc, this.acked.get(ackKey(dc, at)) ?? []]))
      const inOrder = new Map(this.dcs.map(({ dc }) => [dc, logs.get(dc)!]))
      total.add(judgePartition({ ...at, logs: inOrder, acked, hops: this.hops, excused: this.excuses }))
    }
    return total
  }

  /**
   * What was judged exact is done with: memory stays bounded by a round. Only between rounds, with no load: a copy that
   * turns up later is then nobody's, and counted as unexpected.
   */
  forget(): void {
    this.acked = new Map()
    for (const reader of this.readers.values()) reader.entries.length = 0
  }

  /** Committed records of one partition of one data center, so far. */
  async read(dc: LedgerDc, at: TopicPartition): Promise<LedgerLogReader['entries']> {
    const key = ackKey(dc.dc, at)
    const reader = this.readers.getOrInsertComputed(key, () => new LedgerLogReader(dc.log, at))
    if ((await dc.log.topicId(at.topic)) !== undefined) await reader.advance()
    return reader.entries
  }

  async close(): Promise<void> {
    await this.stopLoad()
    for (const { log, admin } of this.dcs) {
      log.close()
      await admin.close().catch(() => {})
    }
    for (const cluster of this.clusters) await cluster.close()
  }

  private addProducer(
    log: ClusterTargetLog,
    dc: string,
    load: LoadOptions,
    partitions: readonly TopicPartition[],
    abortShare: number | undefined,
  ): void {
    const name = `${abortShare === undefined ? 'plain' : 'txn'}${this.producerCount++}`
    const options: ProducerOptions = {
      dc,
      name,
      partitions,
      recordsPerSecond: load.recordsPerSecond,
      abortShare,
      random: this.random.fork(`${dc}.${name}`),
      acks: { acked: (at, ids) => this.acknowledged(dc, at, ids) },
      ageMs: load.ageMs,
    }
    this.producers.push(new LedgerProducer(log, options))
  }
}

function ackKey(dc: string, at: TopicPartition): string {
  return `${dc}/${at.topic}/${at.partition}`
}
