import type { GatewayConfig } from '../../config/schema.ts'
import type { KafkaCluster } from '../../kafka/cluster.ts'
import type { CatalogTopic, PeerIdentity } from '../../route/pull.ts'
import type { LocalCatalog } from '../../topics/local-catalog.ts'
import type { Finding } from './finding.ts'

/** What a peer said when it was asked for one link. */
export interface Offer {
  readonly origin: string
  readonly address: string
  readonly peer: PeerIdentity
  /** Data centers the records would pass on their way here, the origin first. */
  readonly path: readonly string[]
  readonly topics: readonly CatalogTopic[]
}

/** What would happen to one topic of a link. */
export interface TopicVerdict {
  readonly link: string
  readonly topic: string
  readonly crosses: boolean
  /** Name here. */
  readonly target?: string
  readonly why: string
}

/** What the steps find out for those after them; absent: a step before failed, and said so. */
export interface CheckFacts {
  readonly config: GatewayConfig
  cluster?: KafkaCluster
  catalog?: LocalCatalog
  readonly offers: Offer[]
  readonly verdicts: TopicVerdict[]
}

/**
 * One thing that `isthmus check` looks at. Changes nothing anywhere. What it needs and does not find in the facts makes
 * it return nothing: whoever failed to find it has said so.
 */
export interface CheckStep {
  /** Heading of its findings, a noun. */
  readonly title: string
  run(facts: CheckFacts): Promise<Finding[]>
}
