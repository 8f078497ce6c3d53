import { type CoordinatorLimits, type MarkerFaults, ModelCoordinator } from './coordinator.ts'
import { ModelPartition } from './partition.ts'
import type { Random } from './random.ts'
import { type VirtualTime, wallMs } from './virtual-time.ts'

export interface ClusterOptions {
  readonly markers: MarkerFaults
  readonly coordinator: CoordinatorLimits
  /** Longest time between an append and its visibility. */
  readonly replicationMaxMs: number
  /** `producer.id.expiration.ms` (F9). */
  readonly producerIdExpirationMs: number
}

export const CALM_CLUSTER: ClusterOptions = {
  markers: { maxDelayMs: 20, repeatChance: 0, repeatMaxDelayMs: 0, whenLeaderless: 'drop' },
  coordinator: { idExpirationMs: 7 * 86_400_000, firstEpoch: 0, lastEpoch: 32_766 },
  replicationMaxMs: 3,
  producerIdExpirationMs: 86_400_000,
}

export interface ModelTopic {
  readonly topicId: string
  readonly partitions: ModelPartition[]
}

/** `producer.id.expiration.check.interval.ms`, scaled to the length of a simulated run. */
const EXPIRY_SWEEP_MS = 50

/** The target cluster: topics, leaders, one coordinator. What happens to it is called from outside (`faults.ts`). */
export class ModelCluster {
  readonly time: VirtualTime
  readonly coordinator: ModelCoordinator
  readonly options: ClusterOptions
  readonly #random: Random
  readonly #topics = new Map<string, ModelTopic>()
  #topicsCreated = 0
  /** Called after every change of what can be read: the judge looks at each state. */
  onVisible: (partition: ModelPartition) => void = () => {}

  constructor(time: VirtualTime, random: Random, options: ClusterOptions) {
    this.time = time
    this.options = options
    this.#random = random.fork('cluster')
    this.coordinator = new ModelCoordinator(time, random.fork('coordinator'), options.markers, options.coordinator)
    this.coordinator.onAppended = partition => this.appended(partition)
  }

  /** A deleted topic of the same name is replaced: another id, an empty log. */
  createTopic(name: string, partitions: number): ModelTopic {
    const topicId = `00000000-0000-4000-8000-${(++this.#topicsCreated).toString(16).padStart(12, '0')}`
    const topic = { topicId, partitions: Array.from({ length: partitions }, (_, i) => new ModelPartition(name, i)) }
    this.#topics.set(name, topic)
    return topic
  }

  topic(name: string): ModelTopic | undefined {
    return this.#topics.get(name)
  }

  partition(topic: string, partition: number): ModelPartition | undefined {
    return this.#topics.get(topic)?.partitions[partition]
  }

  /** Something is in the leader's log and will be readable when the followers have it. */
  appended(partition: ModelPartition): void {
    const { leaderEpoch, endOffset } = partition
    this.time.after(this.#random.next() * this.options.replicationMaxMs, () => {
      if (partition.leaderEpoch !== leaderEpoch) return
      partition.replicate(endOffset)
      this.onVisible(partition)
    })
  }

  /** Runs `producer.id.expiration.check.interval.ms` sweeps for as long as the run lasts. */
  startExpiry(): void {
    this.time.after(EXPIRY_SWEEP_MS, () => {
      for (const topic of this.#topics.values())
        for (const partition of topic.partitions)
          partition.producers.expire(wallMs(this.time) - this.options.producerIdExpirationMs)
      this.startExpiry()
    })
  }

  /** The leader goes; after `downMs` a replica leads that holds some of what was not readable yet. */
  failOver(partition: ModelPartition, downMs: number): void {
    if (partition.leader < 0) return
    partition.leader = -1
    const held = this.#random.between(partition.highWatermark, partition.endOffset)
    this.time.after(downMs, () => {
      partition.elect(held)
      this.onVisible(partition)
    })
  }

  /** The leader goes, and what leads after `downMs` has only the log below `keep` of it (0: an empty replica). */
  failOverUnclean(partition: ModelPartition, downMs: number, keep: number): void {
    if (partition.leader < 0) return
    partition.leader = -1
    this.time.after(downMs, () => {
      const boundaries = partition.boundaries()
      partition.electUnclean(boundaries[Math.floor(keep * (boundaries.length - 1))] ?? 0)
      this.onVisible(partition)
    })
  }
}
