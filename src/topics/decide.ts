import { messageOf } from '../errors.ts'
import { originTopic, targetTopic } from '../route/names.ts'
import type { CatalogTopic } from '../route/pull.ts'
import type { StartChoice } from '../route/start-policy.ts'
import type { TopicDecision } from '../route/topic-filter.ts'
import type { LocalTopic } from './local-catalog.ts'
import type { NewTopic } from './ports.ts'
import { type ConfigDifference, configDifferences, configsForCreation } from './topic-configs.ts'

/** What a link follows by, compiled from the config. */
export interface FollowSettings {
  readonly origin: string
  /** All data centers known here, this one included: names that their replicas have are not replicated again. */
  readonly dcs: readonly string[]
  readonly renameTemplate: string
  readonly wish: (topic: string) => TopicDecision
  readonly startOf: (topic: string) => StartChoice
  readonly onTargetRecreated: 'refill' | 'halt'
  /** Config changes of this link's origin are copied, not only reported. */
  readonly copyConfigs: boolean
}

/**
 * - `wish`: the config of this data center does not want it: nothing that anyone would want to be told of
 * - `source`: the rules of the origin
 * - `replica`: a replica there, fetched from its own origin
 * - `name`: the rename template gives no topic name
 * - `filled`: a first start that would double records
 * - `deleted-here`: its replica was deleted, and the policy says halt
 */
export type TopicRefusal = 'wish' | 'source' | 'replica' | 'name' | 'filled' | 'deleted-here'

/** What has to be done about one topic of a link, in words for `check` and `explain`. */
export type TopicPlan =
  | { readonly kind: 'refuse'; readonly reason: TopicRefusal; readonly why: string }
  | { readonly kind: 'create'; readonly topic: NewTopic; readonly why: string }
  | { readonly kind: 'grow'; readonly target: string; readonly to: number; readonly why: string }
  | {
      readonly kind: 'follow'
      readonly target: string
      readonly why: string
      readonly differences: readonly ConfigDifference[]
    }

/**
 * Decides about one topic that the origin offers. `local` is looked up by the target's name. Partitions are the maximum
 * of all data centers and only grow: a replica with more partitions stays as it is.
 */
export function planTopic(
  remote: CatalogTopic,
  settings: FollowSettings,
  localTopic: (name: string) => LocalTopic | undefined,
): TopicPlan {
  const wish = settings.wish(remote.name)
  if (wish.kind === 'refused') return { kind: 'refuse', reason: 'wish', why: wish.why }
  if (remote.refused !== undefined)
    return { kind: 'refuse', reason: 'source', why: `${settings.origin} refuses it: ${remote.refused}` }
  const replicaOf = originOfReplica(remote.name, settings)
  if (replicaOf !== undefined)
    return {
      kind: 'refuse',
      reason: 'replica',
      why: `it is a replica of ${replicaOf} there: it is fetched from ${replicaOf} under its own name`,
    }
  const target = nameHere(remote.name, settings)
  if (target.kind === 'refuse') return target
  const local = localTopic(target.name)
  if (local === undefined) {
    const topic = { name: target.name, partitions: remote.partitions, configs: configsForCreation(remote.configs) }
    return { kind: 'create', topic, why: wish.why }
  }
  if (local.partitions < remote.partitions)
    return {
      kind: 'grow',
      target: target.name,
      to: remote.partitions,
      why: `${settings.origin} has ${remote.partitions} partitions`,
    }
  return {
    kind: 'follow',
    target: target.name,
    why: wish.why,
    differences: configDifferences(remote.configs, local.configs),
  }
}

/** With `{origin}` in the template a replica's name shows what it is; to follow it would create names without end. */
function originOfReplica(name: string, { renameTemplate, dcs }: FollowSettings): string | undefined {
  if (!renameTemplate.includes('{origin}')) return undefined
  return dcs.find(dc => originTopic(renameTemplate, dc, name) !== undefined)
}

function nameHere(
  topic: string,
  { renameTemplate, origin }: FollowSettings,
):
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'refuse'; readonly reason: 'name'; readonly why: string } {
  try {
    return { kind: 'name', name: targetTopic(renameTemplate, origin, topic) }
  } catch (error) {
    return { kind: 'refuse', reason: 'name', why: messageOf(error) }
  }
}
