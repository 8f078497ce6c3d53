import type { GatewayConfig } from '../config/schema.ts'
import type { ConfigSource } from '../config/source.ts'
import type { EgressTopics, OfferedTopic, RelayPositions, TopicOffer } from '../egress/ports.ts'
import { targetTopic } from '../route/names.ts'
import { neverCrosses, residencyFilter, type TopicDecision } from '../route/topic-filter.ts'
import type { Progress } from '../state/progress.ts'
import type { LocalCatalog, LocalTopic } from '../topics/local-catalog.ts'
import { configsToTell, isCompacted, maxMessageBytes } from '../topics/topic-configs.ts'
import type { InboundLink } from './inbound-links.ts'

/** What this data center serves: its own topics, and those of the origins that reach it. */
export function servedTopics(source: ConfigSource, catalog: LocalCatalog, links: readonly InboundLink[]): EgressTopics {
  const config = source.current()
  const mayFetch = residencyOfNow(source)
  const own = ownOffer(catalog)
  const relayed = new Map(links.map(link => [link.origin, relayOffer(config, catalog, link)]))
  return {
    of: origin => (origin === config.dc ? own : relayed.get(origin)),
    refused: (topic, dc) => {
      const decision = mayFetch(topic, dc)
      return decision.kind === 'refused' ? decision.why : undefined
    },
  }
}

/** The rules of the latest snapshot, compiled once for each. */
function residencyOfNow(source: ConfigSource): (topic: string, dc: string) => TopicDecision {
  let snapshot = source.current()
  let mayFetch = residencyFilter(snapshot.topics)
  return (topic, dc) => {
    const now = source.current()
    if (now !== snapshot) {
      snapshot = now
      mayFetch = residencyFilter(now.topics)
    }
    return mayFetch(topic, dc)
  }
}

function ownOffer(catalog: LocalCatalog): TopicOffer {
  return {
    known: true,
    get: name => {
      const topic = catalog.get(name)
      return topic && !neverCrosses(name) ? ownTopic(topic) : undefined
    },
    *topics() {
      for (const topic of catalog.topics()) if (!neverCrosses(topic.name)) yield ownTopic(topic)
    },
    subscribe: listener => catalog.subscribe(listener),
  }
}

function ownTopic(topic: LocalTopic): OfferedTopic {
  const { name, topicId, partitions, configs } = topic
  return {
    name,
    topicId,
    partitions,
    configs: configsToTell(configs),
    maxMessageBytes: maxMessageBytes(configs),
    localName: name,
    localTopicId: topicId,
    compacted: isCompacted(configs),
  }
}

/** A relay offers what the origin told it, as far as it stands here. */
function relayOffer(config: GatewayConfig, catalog: LocalCatalog, link: InboundLink): TopicOffer {
  const offered = (name: string): OfferedTopic | undefined => {
    const remote = link.catalog.get(name)
    if (!remote || remote.refused !== undefined) return undefined
    const local = catalog.get(targetTopic(config.topics.rename, link.origin, name))
    if (!local) return undefined
    const { topicId, configs } = remote
    return {
      name,
      topicId,
      configs,
      partitions: Math.min(remote.partitions, local.partitions),
      localName: local.name,
      localTopicId: local.topicId,
      maxMessageBytes: maxMessageBytes(local.configs),
      compacted: isCompacted(local.configs),
    }
  }
  return {
    get known() {
      return link.catalog.known
    },
    get: offered,
    *topics() {
      for (const { name } of link.catalog.topics()) {
        const topic = offered(name)
        if (topic) yield topic
      }
    },
    subscribe: listener => {
      const stops = [link.catalog.subscribe(listener), catalog.subscribe(listener)]
      return () => {
        for (const stop of stops) stop()
      }
    },
  }
}

/** Where our own copies stand, for peers that fetch an origin through us. */
export function relayPositions(
  config: GatewayConfig,
  progress: Pick<Progress, 'positionOf' | 'startOf'>,
): RelayPositions {
  const nameHere = (origin: string, topic: string) => targetTopic(config.topics.rename, origin, topic)
  return {
    next: (origin, topic, partition) => progress.positionOf(origin, nameHere(origin, topic), partition),
    start: (origin, topic, partition) => progress.startOf(origin, nameHere(origin, topic), partition),
  }
}
