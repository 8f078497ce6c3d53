import { metadataV12 } from '@platformatic/kafka'
import { call } from './call.ts'
import type { BrokerAddress, BrokerConnection } from './connection.ts'
import { errorName, failureFor } from './error-table.ts'
import { NO_TOPIC_ID } from './fetch-codec.ts'
import type { PartitionMetadata, TopicMetadata } from './types.ts'

/** Two requests for the same thing are at least this far apart, whoever asks how often. */
const MIN_REFRESH_INTERVAL_MS = 50
/** Leaders may change without an error reaching us (there and back again): what is in use is looked up this often. */
const BACKGROUND_REFRESH_MS = 30_000
/** A topic nobody asked for in this long is not refreshed in the background any more. */
const IN_USE_MS = 5 * 60_000

export interface ClusterView {
  readonly clusterId: string
  readonly controllerId: number
  readonly brokers: readonly BrokerAddress[]
}

type MetadataResponse = ReturnType<typeof metadataV12.parseResponse>

/** Names the answers of one Metadata request that were errors. */
type TopicErrors = ReadonlyMap<string, number>

interface Round {
  readonly topics: Set<string>
  readonly done: Promise<TopicErrors>
}

/**
 * What the cluster says about its topics, by name and by id. Refreshes that are wanted together are one request, one
 * request is under way at a time, and they are paced. Never goes back to an older leader epoch of the same topic
 * (KIP-320): an old broker's view would send us to an old leader.
 */
export class MetadataCache {
  private readonly connect: () => Promise<BrokerConnection>
  private readonly onView: (view: ClusterView) => void
  private readonly byName = new Map<string, TopicMetadata>()
  private readonly nameById = new Map<string, string>()
  private readonly usedAtMs = new Map<string, number>()
  private running: Promise<unknown> | undefined
  private next: Round | undefined
  private lastRequestMs = Number.NEGATIVE_INFINITY
  private lastBackgroundMs = performance.now()

  constructor(connect: () => Promise<BrokerConnection>, onView: (view: ClusterView) => void) {
    this.connect = connect
    this.onView = onView
  }

  /** As far as known, without asking. */
  peek(topic: string): TopicMetadata | undefined {
    return this.byName.get(topic)
  }

  peekById(topicId: string): TopicMetadata | undefined {
    const name = this.nameById.get(topicId)
    return name === undefined ? undefined : this.byName.get(name)
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    this.usedAtMs.set(topic, performance.now())
    return this.byName.get(topic)?.partitions[partition]
  }

  /** Cached, or looked up. undefined: the cluster does not know the topic. Rejects with KafkaFailure (`denied`, no broker). */
  async topic(name: string): Promise<TopicMetadata | undefined> {
    this.usedAtMs.set(name, performance.now())
    return this.byName.get(name) ?? (await this.refresh(name))
  }

  /** Asks the cluster now; joins a request that has not left yet. */
  async refresh(name: string): Promise<TopicMetadata | undefined> {
    this.usedAtMs.set(name, performance.now())
    this.next ??= this.schedule()
    this.next.topics.add(name)
    const errorCode = (await this.next.done).get(name) ?? 0
    if (errorCode === 0) return this.byName.get(name)
    const failure = failureFor(errorCode, `Metadata of ${name}`)
    if (failure.code === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
    throw failure
  }

  /** Every topic this user may describe, as of now. Topics that are gone are forgotten. */
  async all(): Promise<readonly TopicMetadata[]> {
    const connection = await this.connect()
    const response = await call(connection, metadataV12.api, null, false, false)
    this.take(response)
    const names = new Set(response.topics.map(topic => topic.name))
    for (const name of this.byName.keys()) if (!names.has(name)) this.forget(name)
    return [...this.byName.values()]
  }

  /** Brokers and cluster id only. */
  async view(connection: BrokerConnection): Promise<ClusterView> {
    const response = await call(connection, metadataV12.api, [], false, false)
    this.take(response)
    return viewOf(response)
  }

  /** Once a second. */
  tick(nowMs: number): void {
    if (nowMs - this.lastBackgroundMs < BACKGROUND_REFRESH_MS) return
    this.lastBackgroundMs = nowMs
    for (const [name, usedMs] of this.usedAtMs) {
      if (nowMs - usedMs > IN_USE_MS) this.usedAtMs.delete(name)
      else if (this.byName.has(name)) {
        this.next ??= this.schedule()
        this.next.topics.add(name)
        // Nobody waits for it; whoever needs the topic meets the same trouble and reports it.
        this.next.done.catch(() => undefined)
      }
    }
  }

  private schedule(): Round {
    const topics = new Set<string>()
    const before = this.running ?? Promise.resolve()
    const done = before
      .catch(() => undefined)
      .then(async () => {
        const waitMs = this.lastRequestMs + MIN_REFRESH_INTERVAL_MS - performance.now()
        if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs))
        const connection = await this.connect().catch(error => {
          this.next = undefined
          throw error
        })
        // From here on the set is closed; who comes later needs an answer given later.
        this.next = undefined
        this.lastRequestMs = performance.now()
        const response = await call(connection, metadataV12.api, [...topics], false, false)
        return this.take(response)
      })
    this.running = done
    return { topics, done }
  }

  private take(response: MetadataResponse): TopicErrors {
    this.onView(viewOf(response))
    const errors = new Map<string, number>()
    for (const topic of response.topics) {
      const name = topic.name
      if (typeof name !== 'string') continue
      if (topic.errorCode !== 0) {
        errors.set(name, topic.errorCode)
        if (errorName(topic.errorCode) === 'UNKNOWN_TOPIC_OR_PARTITION') this.forget(name)
        continue
      }
      const previous = this.byName.get(name)
      const sameTopic = previous?.topicId === topic.topicId
      const partitions: PartitionMetadata[] = []
      for (const said of topic.partitions) {
        const known = sameTopic ? previous?.partitions[said.partitionIndex] : undefined
        partitions[said.partitionIndex] =
          known !== undefined && known.leaderEpoch > said.leaderEpoch
            ? known
            : {
                partition: said.partitionIndex,
                leader: said.leaderId,
                leaderEpoch: said.leaderEpoch,
                replicas: said.replicaNodes,
                isr: said.isrNodes,
              }
      }
      if (previous !== undefined && !sameTopic) this.nameById.delete(previous.topicId)
      this.byName.set(name, { name, topicId: topic.topicId, internal: topic.isInternal, partitions })
      if (topic.topicId !== NO_TOPIC_ID) this.nameById.set(topic.topicId, name)
    }
    return errors
  }

  private forget(name: string): void {
    const topic = this.byName.get(name)
    if (topic === undefined) return
    this.byName.delete(name)
    this.nameById.delete(topic.topicId)
  }
}

function viewOf(response: MetadataResponse): ClusterView {
  return {
    clusterId: response.clusterId ?? '',
    controllerId: response.controllerId,
    brokers: response.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
  }
}
