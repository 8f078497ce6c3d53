import { createTopicsV7, deleteRecordsV2, deleteTopicsV6 } from '@platformatic/kafka'
import { type Egress, openEgress } from '../../../src/egress/egress.ts'
import type { FrameSink, OfferedTopic, OriginRegistry, SourceSession } from '../../../src/egress/ports.ts'
import { call } from '../../../src/kafka/call.ts'
import { type ClusterTargetLog, KafkaCluster, openTargetLog, type TopicPartition } from '../../../src/kafka/index.ts'
import { openLogReader } from '../../../src/kafka/log-reader.ts'
import { splitBatches } from '../../../src/record/batch.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { clusterHash, encodePosition } from '../../../src/record/position.ts'
import { iterateRecords } from '../../../src/record/records.ts'
import type {
  CatalogTopic,
  ClosedMessage,
  FrameMessage,
  OpenedMessage,
  OpenRequest,
  ProgressMessage,
} from '../../../src/route/pull.ts'
import { fence } from '../kafka-fence.ts'
import { startTestCluster, type TestCluster } from '../kafka-process.ts'
import { Log, wallClock } from '../link/rig.ts'
import { eventually } from '../processes.ts'

/** A data center `eu` with a real broker, whose egress a test speaks to as `link/` would. */

export const CLUSTER_ID = 'the-cluster-of-eu'
export const ORIGIN_TOPIC_ID = '11111111-2222-3333-4444-555555555555'

export class MemoryRegistry implements OriginRegistry {
  readonly writers = new Map<number, { origin: string; topic: string; partition: number }>()
  /** Known only after a catch-up, as an entry that another node has just written. */
  readonly pending = new Map<number, { origin: string; topic: string; partition: number }>()
  catchUps = 0
  lost: string | undefined
  readonly withheldPartitions = new Set<string>()
  writer(producerId: number) {
    return this.writers.get(producerId)
  }
  async catchUp() {
    this.catchUps++
    for (const [producerId, writer] of this.pending) this.writers.set(producerId, writer)
  }
  broken() {
    return this.lost
  }
  withheld(topic: string, partition: number) {
    return this.withheldPartitions.has(`${topic}-${partition}`) ? 'its writers were lost' : undefined
  }
}

/** What a peer was told, and its end of the credit. */
export class Peer implements FrameSink {
  session!: SourceSession
  readonly catalogs: { topics: readonly CatalogTopic[]; removed: readonly string[]; full: boolean }[] = []
  readonly openedMessages: OpenedMessage[] = []
  readonly frames: FrameMessage[] = []
  readonly progresses: ProgressMessage[] = []
  readonly closedMessages: ClosedMessage[] = []
  /** Keys of the records, copied when they came. */
  readonly keys: string[] = []
  /** Keeps frames unwritten, as a socket that is full. */
  full = false
  readonly unwritten: (() => void)[] = []
  drain: () => void = () => {}

  catalog(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean) {
    this.catalogs.push({ topics, removed, full })
  }
  opened(message: OpenedMessage) {
    this.openedMessages.push(message)
  }
  frame(message: FrameMessage, written: () => void) {
    this.frames.push(message)
    for (const run of message.batches)
      for (const batch of splitBatches(run))
        for (const record of iterateRecords(batch)) this.keys.push(record.key?.toString() ?? '')
    if (!this.full) written()
    else this.unwritten.push(written)
    return !this.full
  }
  progress(message: ProgressMessage) {
    this.progresses.push(message)
  }
  closed(message: ClosedMessage) {
    this.closedMessages.push(message)
  }
  onDrain(listener: () => void) {
    this.drain = listener
  }
  /** Position that the peer was told to be covered, of a channel. */
  next(channel = 1): number {
    const frames = this.frames.filter(frame => frame.channel === channel).map(frame => frame.next)
    const progresses = this.progresses.filter(progress => progress.channel === channel).map(progress => progress.next)
    return Math.max(-1, ...frames, ...progresses)
  }
}

export class EgressBench {
  readonly kafka: TestCluster
  readonly cluster: KafkaCluster
  readonly log: ClusterTargetLog
  readonly registry = new MemoryRegistry()
  readonly egress: Egress
  readonly refused = new Map<string, string>()
  readonly offered = new Map<string, OfferedTopic>()
  readonly relayed = new Map<string, OfferedTopic>()
  relayNext: number | undefined
  compacted = false
  /** Where the relay's own ingest began. */
  relayStart: number | undefined
  /** Records by `sent` and by the reason why they were not, as operators see them. */
  readonly counts = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  #topics = 0
  #readers = 0

  private constructor(kafka: TestCluster, cluster: KafkaCluster) {
    this.kafka = kafka
    this.cluster = cluster
    this.log = openTargetLog(cluster)
    const offer = (topics: Map<string, OfferedTopic>) => ({
      known: true,
      get: (name: string) => topics.get(name),
      topics: () => topics.values(),
      subscribe: (listener: () => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    })
    this.egress = openEgress({
      dc: 'eu',
      clusterId: CLUSTER_ID,
      openReader: () => openLogReader(cluster, this.log.queries, { name: `session-${this.#readers++}` }),
      lookups: this.log.queries,
      probe: this.log,
      registry: this.registry,
      topics: {
        of: origin => (origin === 'eu' ? offer(this.offered) : origin === 'ap' ? offer(this.relayed) : undefined),
        refused: topic => this.refused.get(topic),
      },
      relayPositions: { next: () => this.relayNext, start: () => this.relayStart },
      clock: wallClock,
      observer: {
        passedOver: (_origin, _peer, reason, records) => this.#count(reason, records),
        sent: (_origin, _peer, _topic, records) => this.#count('sent', records),
      },
      log: new Log(),
    })
  }

  #count(what: string, records: number): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + records)
  }

  static async start(): Promise<EgressBench> {
    const kafka = await startTestCluster()
    return new EgressBench(kafka, await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' }))
  }

  async stop(): Promise<void> {
    this.log.close()
    await this.cluster.close()
    await this.kafka.stop()
  }

  async topic(configs: Record<string, string> = {}, name = `t${this.#topics++}`): Promise<string> {
    const settings = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const request = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: settings }
    await call(await this.cluster.controllerConnection(), createTopicsV7.api, [request], 10_000, false)
    await eventually('the topic has a leader', 10_000, async () => {
      const topic = await this.cluster.metadata.refresh(name)
      return topic?.partitions[0]?.leader === 1
    })
    await this.offer(name)
    return name
  }

  async offer(name: string): Promise<void> {
    const topicId = (await this.log.topicId(name)) as string
    const common = {
      name,
      partitions: 1,
      configs: { 'retention.ms': '1000' },
      maxMessageBytes: 1_048_588,
      localName: name,
      localTopicId: topicId,
      compacted: this.compacted,
    }
    this.offered.set(name, { ...common, topicId })
    this.relayed.set(name, { ...common, topicId: ORIGIN_TOPIC_ID })
    for (const listener of this.#listeners) listener()
  }

  async deleteTopic(name: string): Promise<void> {
    const topics = [{ name, topicId: '00000000-0000-0000-0000-000000000000' }]
    await call(await this.cluster.controllerConnection(), deleteTopicsV6.api, topics, 10_000)
  }

  async deleteRecords(topic: string, before: number): Promise<void> {
    const connection = await this.cluster.connection(1, 'control')
    const partitions = [{ partitionIndex: 0, offset: BigInt(before) }]
    await call(connection, deleteRecordsV2.api, [{ name: topic, partitions }], 10_000)
  }

  /** A producer with an identity of its own, fenced as ours are; nobody registered it. */
  async producer(topic: string, transactional?: 'transactional') {
    const partition: TopicPartition = { topic, partition: 0 }
    const transactionalId = `p-${topic}-${Math.random()}`
    const { identity, markerOffset } = await fence(this.log, transactionalId, partition)
    const appender = this.log.openAppender({
      ...partition,
      topicId: (await this.log.topicId(topic)) as string,
      identity,
      firstSequence: 0,
      lastKnownOffset: markerOffset,
      deliveryTimeoutMs: 30_000,
      transactionalId: transactional && transactionalId,
    })
    const end = async (commit: boolean) => this.log.endTxn(transactionalId, identity, commit)
    const begin = async () => this.log.addPartitionsToTxn(transactionalId, identity, [partition])
    return { ...identity, appender, begin, end }
  }

  accept(origin = 'eu'): Peer {
    const peer = new Peer()
    const identity = { dc: 'us', node: 'us-1', clusterId: 'the-cluster-of-us', paths: [] }
    peer.session = this.egress.accept(identity, origin, peer)
    return peer
  }

  /** Opens channel 1 with plenty of credit. */
  open(topic: string, start: OpenRequest['start'], more: Partial<OpenRequest> = {}, origin = 'eu'): Peer {
    const peer = this.accept(origin)
    peer.session.credit(0, 2 ** 40)
    peer.session.open({ channel: 1, lane: 0, topic, partition: 0, start, ...more })
    return peer
  }
}

export const position = (offset: number, leaderEpoch = -1) => ({ kind: 'position' as const, offset, leaderEpoch })

/** A batch as a gateway writes it: the last record says what it covers at the origin. */
export function replicaBatch(
  producerId: number,
  from: number,
  next: number,
  more: { clusterId?: string; keys?: string[] } = {},
) {
  const keys = more.keys ?? Array.from({ length: next - from }, (_, index) => `o${from + index}`)
  const value = encodePosition({
    from,
    next,
    gap: false,
    topicId: ORIGIN_TOPIC_ID,
    leaderEpoch: 3,
    producerId,
    clusterHash: clusterHash(more.clusterId ?? CLUSTER_ID),
    runs: [from, keys.length],
  })
  return buildBatch(
    keys.map((key, index) => ({
      key: Buffer.from(key),
      value: Buffer.from('v'),
      timestampMs: Date.now(),
      headers: index === keys.length - 1 ? [{ key: 'isthmus-position', value }] : [],
    })),
    'lz4',
  )
}
