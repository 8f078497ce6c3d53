import type { Component } from '../component.ts'
import type { GatewayConfig } from '../config/schema.ts'
import type { ConfigSource } from '../config/source.ts'
import type { Egress } from '../egress/egress.ts'
import { component } from '../gateway.ts'
import type { Logger } from '../telemetry/log.ts'
import type { FollowSettings } from '../topics/decide.ts'
import { followSettings } from './inbound-links.ts'

/**
 * What of a later snapshot holds while the node runs: `topics`, but not `rename`, since writers and what peers relay are
 * called by the names of here. The rest stays as the node was started with.
 */
export function liveConfig(source: ConfigSource): ConfigSource {
  const first = source.current()
  const made = new WeakMap<GatewayConfig, GatewayConfig>([[first, first]])
  const live = (next: GatewayConfig) =>
    made.getOrInsertComputed(next, () => ({ ...first, topics: { ...next.topics, rename: first.topics.rename } }))
  return {
    current: () => live(source.current()),
    subscribe: listener => source.subscribe(next => listener(live(next))),
  }
}

/** Parts of a link and of egress that a change of topics concerns. */
export interface TopicsChange {
  readonly links: readonly {
    readonly origin: string
    readonly topics: { reconfigure(settings: FollowSettings): void }
  }[]
  readonly egress: Pick<Egress, 'recheck'>
  readonly log: Logger
}

/** Follows `topics` of each later snapshot: every link decides anew, and what may no longer leave stops. */
export function topicsChanges(config: ConfigSource, { links, egress, log }: TopicsChange): Component {
  let unsubscribe: (() => void) | undefined
  return component(
    'config',
    async () => {
      unsubscribe = config.subscribe(next => {
        log.info({ topics: next.topics }, 'the topics of the config changed')
        for (const { origin, topics } of links) topics.reconfigure(followSettings(next, origin))
        egress.recheck()
      })
    },
    async () => unsubscribe?.(),
  )
}
