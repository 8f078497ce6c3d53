import type { Clock } from '../component.ts'
import { linkName } from '../route/names.ts'
import type { CatalogTopic } from '../route/pull.ts'
import { judgeFirstStart } from '../route/start-policy.ts'
import { type FollowSettings, planTopic, type TopicPlan, type TopicRefusal } from './decide.ts'
import type { LocalCatalog, LocalTopic } from './local-catalog.ts'
import type { ReadyTopic, TargetContents, TopicAdmin, TopicEvents } from './ports.ts'
import { type ConfigDifference, isCompacted, maxMessageBytes } from './topic-configs.ts'

/** After a creation the other brokers may know the topic a little later. */
const VISIBLE_POLL_MS = 100
const VISIBLE_POLLS = 50

/** How one topic of a link stands, for `links`, `explain` and `check`. */
export type TopicStanding =
  | {
      readonly kind: 'ready'
      readonly topic: ReadyTopic
      readonly why: string
      readonly differences: readonly ConfigDifference[]
    }
  | { readonly kind: 'refused'; readonly reason: TopicRefusal; readonly why: string; readonly hint?: string }
  /** Not there yet, or it failed and is tried again. */
  | { readonly kind: 'pending'; readonly why: string }

export interface BringUpPorts {
  readonly dc: string
  readonly admin: TopicAdmin
  readonly catalog: LocalCatalog
  readonly contents: TargetContents
  readonly events: TopicEvents
  readonly clock: Clock
}

/**
 * Does what is needed for one topic of a link: creates it, adds partitions, copies configs where that was asked for.
 * `admitted` is told of every standing on the way that may be written, so that partitions which exist at both ends do
 * not wait for those that do not. Rejects with what the cluster said; to be tried again.
 */
export async function bringUp(
  remote: CatalogTopic,
  before: TopicStanding | undefined,
  settings: FollowSettings,
  ports: BringUpPorts,
  admitted: (standing: TopicStanding & { kind: 'ready' }) => void,
): Promise<TopicStanding> {
  let copied = false
  for (;;) {
    const plan = planTopic(remote, settings, name => ports.catalog.get(name))
    if (plan.kind === 'refuse') return { kind: 'refused', reason: plan.reason, why: plan.why }
    if (plan.kind === 'create') {
      if (settings.onTargetRecreated === 'halt' && wasHere(before)) return deletedHere(plan.topic.name)
      await create(plan, settings, ports)
      continue
    }
    const local = ports.catalog.get(plan.target)
    if (local === undefined) continue
    const standing = await admit(remote, local, before, plan, settings, ports)
    if (standing.kind !== 'ready') return standing
    if (plan.kind === 'grow') {
      admitted(standing)
      await grow(plan, settings, ports)
      before = standing
      continue
    }
    if (settings.copyConfigs && standing.differences.length > 0 && !copied) {
      copied = true
      await copyConfigs(local, standing.differences, settings, ports)
      continue
    }
    admitted(standing)
    return standing
  }
}

async function create(
  plan: TopicPlan & { kind: 'create' },
  settings: FollowSettings,
  ports: BringUpPorts,
): Promise<void> {
  const { name, partitions } = plan.topic
  try {
    await ports.admin.createTopic(plan.topic)
    const message = `${name} was created with ${partitions} partitions, as ${settings.origin} has it: ${plan.why}`
    ports.events.record('topic-created', message, place(settings, ports, name))
  } catch (error) {
    // another node, or the link of another origin, was faster
    if ((error as { code?: string }).code !== 'TOPIC_ALREADY_EXISTS') throw error
  }
  await untilVisible(ports, name, 1)
}

async function grow(plan: TopicPlan & { kind: 'grow' }, settings: FollowSettings, ports: BringUpPorts): Promise<void> {
  await ports.catalog.refresh()
  // another node, or the link of another origin, was faster
  if ((ports.catalog.get(plan.target)?.partitions ?? 0) >= plan.to) return
  await ports.admin.growPartitions(plan.target, plan.to)
  ports.events.record(
    'topic-grown',
    `${plan.target} has ${plan.to} partitions now: ${plan.why}`,
    place(settings, ports, plan.target),
  )
  await untilVisible(ports, plan.target, plan.to)
}

/** Configs follow the origin: `follow: DC` was asked for. */
async function copyConfigs(
  local: LocalTopic,
  differences: readonly ConfigDifference[],
  settings: FollowSettings,
  ports: BringUpPorts,
): Promise<void> {
  await ports.admin.setConfigs(local.name, Object.fromEntries(differences.map(({ name, origin }) => [name, origin])))
  const list = differences.map(({ name, origin, here }) => `${name} ${here ?? 'unset'} -> ${origin}`).join(', ')
  ports.events.record(
    'config-differs',
    `${local.name} follows ${settings.origin}: ${list}`,
    place(settings, ports, local.name),
  )
  ports.catalog.forgetConfigs(local.name)
  await ports.catalog.refresh()
}

async function admit(
  remote: CatalogTopic,
  local: LocalTopic,
  before: TopicStanding | undefined,
  plan: TopicPlan & { kind: 'grow' | 'follow' },
  settings: FollowSettings,
  ports: BringUpPorts,
): Promise<TopicStanding> {
  const choice = settings.startOf(remote.name)
  const mayDouble = before?.kind !== 'ready' && choice.start.kind === 'earliest' && !choice.confirmed
  const filled = mayDouble && (await ports.contents.firstStartWouldDouble(settings.origin, local.name))
  const verdict = judgeFirstStart(local.name, choice, filled)
  if (verdict.kind === 'refused') return { kind: 'refused', reason: 'filled', why: verdict.why, hint: verdict.hint }
  const topic: ReadyTopic = {
    origin: settings.origin,
    name: remote.name,
    originTopicId: remote.topicId,
    target: local.name,
    targetTopicId: local.topicId,
    partitions: Math.min(remote.partitions, local.partitions),
    compacted: isCompacted(local.configs),
    maxMessageBytes: maxMessageBytes(local.configs),
    start: verdict.start,
  }
  return { kind: 'ready', topic, why: plan.why, differences: plan.kind === 'follow' ? plan.differences : [] }
}

/** Rejects when the cluster does not show after some seconds what it agreed to. */
async function untilVisible({ catalog, clock }: BringUpPorts, topic: string, partitions: number): Promise<void> {
  for (let poll = 0; poll < VISIBLE_POLLS; poll++) {
    await catalog.refresh()
    if ((catalog.get(topic)?.partitions ?? 0) >= partitions) return
    await clock.sleep(VISIBLE_POLL_MS)
  }
  throw new Error(
    `${topic} with ${partitions} partitions is not visible ${(VISIBLE_POLLS * VISIBLE_POLL_MS) / 1000} s after it was created`,
  )
}

function wasHere(before: TopicStanding | undefined): boolean {
  return before?.kind === 'ready' || (before?.kind === 'refused' && before.reason === 'deleted-here')
}

function deletedHere(target: string): TopicStanding {
  return {
    kind: 'refused',
    reason: 'deleted-here',
    why: `${target} was deleted in this data center, and topics.onTargetRecreated is halt`,
    hint: `create ${target} again, or set topics.onTargetRecreated to refill`,
  }
}

function place(settings: FollowSettings, ports: BringUpPorts, topic: string): { link: string; topic: string } {
  return { link: linkName(settings.origin, ports.dc), topic }
}
