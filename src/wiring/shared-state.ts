import type { Clock } from '../component.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import { type ClusterAdmin, type ClusterTargetLog, type KafkaCluster, KafkaFailure, openTable } from '../kafka/index.ts'
import { Control, type ControlValue, decodeControlValue, encodeControlValue } from '../state/control.ts'
import { LostWriters } from '../state/lost-writers.ts'
import {
  decodeProgressValue,
  encodeProgressValue,
  Progress,
  type ProgressValue,
  partitionOfLinkKey,
} from '../state/progress.ts'
import { decodeRegistryValue, encodeRegistryValue, Registry, type RegistryValue } from '../state/registry.ts'
import { RegistryGuard } from '../state/registry-guard.ts'
import {
  CONTROL_TOPIC,
  PROGRESS_TOPIC,
  REGISTRY_TOPIC,
  type StateTopic,
  stateTopicProblems,
  stateTopics,
} from '../state/topics.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { growLanes } from './grow-lanes.ts'

/** What the data center remembers in its own Kafka, read to the end. */
export interface SharedState {
  readonly registry: Registry
  readonly progress: Progress
  readonly control: Control
  readonly guard: RegistryGuard
  /** Partitions of the lanes topic at the start: how many lanes the data center has. */
  readonly lanes: number
  readonly lostWriters: LostWriters
  /** Why positions or operators' acts cannot be saved any more; a restart is needed. */
  problem(): string | undefined
  /** Keys of all tables, which are held in memory. */
  entries(): number
  stop(): Promise<void>
}

export interface SharedStateOptions {
  readonly config: GatewayConfig
  readonly cluster: KafkaCluster
  readonly target: ClusterTargetLog
  readonly admin: ClusterAdmin
  readonly telemetry: Telemetry
  readonly clock: Clock
}

/** Creates the `__isthmus.*` topics where they are missing and reads them. Rejects with GatewayError or KafkaFailure. */
export async function openSharedState(options: SharedStateOptions): Promise<SharedState> {
  const { cluster, target, telemetry, clock } = options
  const lanes = await ensureStateTopics(options)
  const registryTable = openTable<RegistryValue>(cluster, target, {
    topic: REGISTRY_TOPIC,
    encode: encodeRegistryValue,
    decode: decodeRegistryValue,
  })
  const progressTable = openTable<ProgressValue>(cluster, target, {
    topic: PROGRESS_TOPIC,
    encode: encodeProgressValue,
    decode: decodeProgressValue,
    partitionBy: partitionOfLinkKey,
  })
  const controlTable = openTable<ControlValue>(cluster, target, {
    topic: CONTROL_TOPIC,
    encode: encodeControlValue,
    decode: decodeControlValue,
  })
  const log = telemetry.logger.child('state')
  const registry = new Registry(registryTable)
  const progress = new Progress(progressTable, progressTable)
  const control = new Control(controlTable, clock.nowMs, error => log.warn({ error }, 'a control entry was not saved'))
  registryTable.onChange((_key, value) => registry.changed(value))
  progressTable.onChange((key, value) => progress.changed(key, value))
  controlTable.onChange((key, value) => control.changed(key, value))
  // Before anything is read: what ends early must not end unnoticed.
  const ended = new Map<string, string>()
  let guard: RegistryGuard | undefined
  registryTable.onEnd(error => {
    ended.set(REGISTRY_TOPIC, error.message)
    guard?.lost(error.message)
  })
  for (const [topic, table] of [
    [PROGRESS_TOPIC, progressTable],
    [CONTROL_TOPIC, controlTable],
  ] as const)
    table.onEnd(error => {
      ended.set(topic, error.message)
      log.error({ error }, error.message)
    })
  await Promise.all([registryTable.start(), progressTable.start(), controlTable.start()])
  guard = await guardRegistry(options, control)
  const registryEnded = ended.get(REGISTRY_TOPIC)
  if (registryEnded !== undefined) guard.lost(registryEnded)
  const lostWriters = await lookForLostWriters(progress, registry, telemetry)
  log.info({ writers: registryTable.size, checkpoints: progressTable.size }, 'shared state is read')
  return {
    registry,
    progress,
    control,
    guard,
    lanes,
    lostWriters,
    problem: () => ended.get(PROGRESS_TOPIC) ?? ended.get(CONTROL_TOPIC),
    entries: () => registryTable.size + progressTable.size + controlTable.size,
    stop: async () => {
      guard.stop()
      await Promise.all([registryTable.stop(), progressTable.stop(), controlTable.stop()])
    },
  }
}

/** Partitions named in one event. */
const NAMED_PARTITIONS = 20

async function lookForLostWriters(progress: Progress, registry: Registry, telemetry: Telemetry): Promise<LostWriters> {
  const lost = await LostWriters.look(progress, registry)
  const partitions = lost.partitions()
  if (partitions.length > 0) {
    const named = partitions.slice(0, NAMED_PARTITIONS).join(', ')
    telemetry.events.record(
      'registry-broken',
      `the registry lost the writers of ${partitions.length} partitions (${named}): each leaves this data center again when its links have taken it over, which registers their writers; see docs/runbooks/registry-lost.md`,
    )
  }
  return lost
}

/** Resolves with the number of lanes. */
async function ensureStateTopics(options: SharedStateOptions): Promise<number> {
  const { config, cluster, admin, clock, telemetry } = options
  const { replicationFactor, minInsyncReplicas } = config.kafka.internalTopics
  const wanted = stateTopics(config.flow.lanes, minInsyncReplicas)
  const existing = new Set((await admin.listTopics()).map(topic => topic.name))
  for (const topic of wanted) {
    if (!existing.has(topic.name)) await createUnlessThere(admin, { ...topic, replicationFactor })
  }
  const deadlineMs = clock.monotonicMs() + VISIBLE_WITHIN_MS
  for (const { name } of wanted) {
    while (!(await hasLeaders(cluster, name))) {
      if (clock.monotonicMs() > deadlineMs)
        throw new GatewayError(
          'CLUSTER_UNREACHABLE',
          'process',
          `${name} has no leader ${VISIBLE_WITHIN_MS} ms after it was asked for`,
        )
      await clock.sleep(VISIBLE_POLL_MS)
    }
  }
  await judgeStateTopics(wanted, admin, telemetry)
  return await growLanes(cluster, admin, telemetry.logger.child('state'), config.flow.lanes)
}

/** Where the configs may not be described, `isthmus check` says which permission is missing. */
async function judgeStateTopics(
  wanted: readonly StateTopic[],
  admin: ClusterAdmin,
  telemetry: Telemetry,
): Promise<void> {
  const described = await admin.describeConfigs(wanted.map(topic => topic.name))
  const problems = stateTopicProblems(wanted, topic => {
    const configs = described.get(topic)
    return configs && Object.fromEntries(Object.entries(configs).map(([key, { value }]) => [key, value]))
  })
  for (const { message } of problems) telemetry.logger.child('state').warn(message)
  const fatal = problems.find(problem => problem.fatal)
  if (!fatal) return
  throw new GatewayError('REGISTRY_BROKEN', 'process', fatal.message, {
    hint: `kafka-configs.sh --alter --topic ${fatal.topic} --add-config cleanup.policy=compact`,
  })
}

/** A created topic is not at once known to every broker. */
const VISIBLE_WITHIN_MS = 30_000
const VISIBLE_POLL_MS = 50

/** Another node of this data center may be starting, too. */
async function createUnlessThere(
  admin: ClusterAdmin,
  topic: Parameters<ClusterAdmin['createTopic']>[0],
): Promise<void> {
  try {
    await admin.createTopic(topic)
  } catch (failure) {
    if (failure instanceof KafkaFailure && failure.code === 'TOPIC_ALREADY_EXISTS') return
    throw failure
  }
}

async function hasLeaders(cluster: KafkaCluster, name: string): Promise<boolean> {
  const found = await cluster.metadata.refresh(name)
  return found?.partitions.every(partition => partition.leader >= 0) ?? false
}

async function guardRegistry(options: SharedStateOptions, control: Control): Promise<RegistryGuard> {
  const { target, telemetry, clock } = options
  const registryPartition = { topic: REGISTRY_TOPIC, partition: 0 }
  const current = await target.topicId(REGISTRY_TOPIC)
  if (!current) throw new GatewayError('REGISTRY_BROKEN', 'process', `${REGISTRY_TOPIC} was deleted while starting`)
  const guard = new RegistryGuard(
    {
      topicId: () => target.topicId(REGISTRY_TOPIC),
      endOffset: async () => (await target.offsets(registryPartition)).endOffset,
    },
    await control.registryMark(current),
    clock,
    why => {
      telemetry.registry.metrics.outflowHalted.set({}, 1)
      telemetry.events.record(
        'registry-broken',
        `${why}: nothing leaves this data center until it is decided whose its records are`,
      )
    },
    end => control.rememberRegistryEnd(end),
  )
  telemetry.registry.metrics.outflowHalted.set({}, 0)
  await guard.start()
  return guard
}
