import type { LogReader } from '../kafka/log-reader-types.ts'
import type { FetchedBatches, TopicPartition } from '../kafka/types.ts'

/** What egress needs of the rest of the gateway. */

/** Opens a reader for one session: sessions share neither buffers nor connections, so a slow peer hurts only itself. */
export type OpenReader = () => LogReader

/** Questions about logs that read no records; `kafka/log-queries.ts`. All reject with KafkaFailure. */
export interface LogLookups {
  earliest(partition: TopicPartition): Promise<{ readonly offset: number }>
  /** The high watermark. */
  latest(partition: TopicPartition): Promise<{ readonly offset: number }>
  /** First record at or after a time (Unix ms); offset -1: none. */
  atTime(partition: TopicPartition, timestampMs: number): Promise<{ readonly offset: number }>
}

/** One READ_UNCOMMITTED fetch somewhere in a log: how a relay finds a position. As `ingest/ports.ts` TargetLog.read. */
export interface LogProbe {
  read(partition: TopicPartition, fromOffset: number, maxBytes: number, maxWaitMs: number): Promise<FetchedBatches>
}

/** Whose a producerId is: `__isthmus.registry` (exactly-once.md 2.5). */
export interface OriginRegistry {
  /** undefined: nobody's, as far as the registry was read. `topic` is the name in this cluster. */
  writer(
    producerId: number,
  ): { readonly origin: string; readonly topic: string; readonly partition: number } | undefined
  /** Reads to the end of the registry as of now. */
  catchUp(): Promise<void>
  /** Why it cannot be trusted any more, in words; nothing may leave then. */
  broken(): string | undefined
  /** Why nothing of one partition (named as here) may leave for now, in words: it does not know all of its writers. */
  withheld(topic: string, partition: number): string | undefined
}

/** A topic of an origin as this data center can serve it. */
export interface OfferedTopic {
  /** Name and id at the origin. */
  readonly name: string
  readonly topicId: string
  readonly partitions: number
  /** What a replica is to be told of them; as route/pull.ts CatalogTopic. */
  readonly configs: Readonly<Record<string, string>>
  /** `max.message.bytes` in force where its records stand here. */
  readonly maxMessageBytes: number
  /** Where its records stand here; for our own topics the same name and id. */
  readonly localName: string
  readonly localTopicId: string
  /** `cleanup.policy` here contains `compact`. */
  readonly compacted: boolean
}

/** The topics of one origin, as known at this moment. */
export interface TopicOffer {
  /** False while a relay was not told yet what the origin has: that it has nothing must not be said then. */
  readonly known: boolean
  get(name: string): OfferedTopic | undefined
  topics(): Iterable<OfferedTopic>
  /** Called after any change; returns how to stop listening. */
  subscribe(listener: () => void): () => void
}

/** Our own topics, and those of the origins that we relay. */
export interface EgressTopics {
  /** undefined: nothing of this origin is carried here. */
  of(origin: string): TopicOffer | undefined
  /** Why `dc` may not fetch a topic (residency, topics of one cluster alone); undefined: it may. */
  refused(topic: string, dc: string): string | undefined
}

/** Where our own ingest of a relayed partition stands, in origin offsets; undefined: it has not begun. */
export interface RelayPositions {
  next(origin: string, topic: string, partition: number): number | undefined
  /** Where our ingest began: what lies below was never here. undefined: not known. */
  start(origin: string, topic: string, partition: number): number | undefined
}

/** Why records that were read do not cross: `foreign` are another origin's, `repeated` what the peer has already. */
export type PassedOverReason = 'aborted' | 'control' | 'foreign' | 'repeated'

/** Measurements that leave egress, per response or frame. All calls are quick. */
export interface EgressObserver {
  passedOver(origin: string, peer: string, reason: PassedOverReason, records: number): void
  /** One frame. `topic` is the name at the origin. */
  sent(origin: string, peer: string, topic: string, records: number, batchBytes: number): void
}

/** What goes to a peer, as `link/` takes it: see there (`FrameSink`). */
export type { FrameSink, SourceSession, SourceSide } from '../link/ports.ts'
