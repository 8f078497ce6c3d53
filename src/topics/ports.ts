import type { StartPolicy } from '../route/start-policy.ts'

/** A topic of the local cluster as metadata shows it. */
export interface ListedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: number
}

/** One config of a topic: the value in force, and whether it was set on the topic itself. */
export interface ConfigValue {
  readonly value: string
  readonly explicit: boolean
}

export type TopicConfigs = Readonly<Record<string, ConfigValue>>

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
}

/** What this room needs of the local cluster's administration. Every call is one attempt and rejects with KafkaFailure. */
export interface TopicAdmin {
  /** Metadata of all topics that we may describe: cheap enough for every two seconds. */
  listTopics(): Promise<readonly ListedTopic[]>
  /** Topics that are gone, or that we may not describe, are left out. */
  describeConfigs(topics: readonly string[]): Promise<ReadonlyMap<string, TopicConfigs>>
  /** With the cluster's default replication factor (-1, KIP-464). */
  createTopic(topic: NewTopic): Promise<void>
  /** To `partitions` in all. */
  growPartitions(topic: string, partitions: number): Promise<void>
  /** IncrementalAlterConfigs SET: what is not named stays. */
  setConfigs(topic: string, configs: Readonly<Record<string, string>>): Promise<void>
}

/** Knows the records in the target. */
export interface TargetContents {
  /**
   * True where this link has never written to the topic, and it still holds records that were here before the link
   * began and that no gateway wrote: starting at the earliest record could double them. `first-start.ts`.
   */
  firstStartWouldDouble(origin: string, target: string): Promise<boolean>
}

/** A topic of a link that ingest may write to. Partitions from 0 to `partitions` - 1 exist at both ends. */
export interface ReadyTopic {
  readonly origin: string
  /** Name at the origin. */
  readonly name: string
  readonly originTopicId: string
  /** Name here. */
  readonly target: string
  readonly targetTopicId: string
  readonly partitions: number
  /** `cleanup.policy` here contains `compact`: it is written in transactions (exactly-once.md 2.2). */
  readonly compacted: boolean
  /** `max.message.bytes` here. */
  readonly maxMessageBytes: number
  readonly start: StartPolicy
}

/** Told in order, per topic. Quick, never throws. */
export interface ReadyTopics {
  /** May be written now; called again whenever something of it changes. */
  ready(topic: ReadyTopic): void
  /** No longer: excluded, refused, or gone at the origin. */
  withdrawn(origin: string, name: string, why: string): void
}

/** Where the room says what an operator would want to look up. */
export interface TopicEvents {
  record(
    name: 'topic-created' | 'topic-grown' | 'topic-refused' | 'config-differs' | 'target-recreated',
    message: string,
    place: { readonly link?: string; readonly topic: string },
  ): void
}
