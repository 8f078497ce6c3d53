import type { TopicConfigs } from './ports.ts'

/**
 * Which configs of a topic matter to its replica (design.md 3). They are copied when the replica is created; after that
 * no data center is the authority, so a difference is a finding and not an error.
 */
export const COPIED_CONFIGS = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'segment.ms',
  'segment.bytes',
  'max.message.bytes',
  'min.compaction.lag.ms',
  'max.compaction.lag.ms',
  'delete.retention.ms',
] as const

/** 2^63 - 1: Kafka's largest `long`. */
const LONGEST = '9223372036854775807'

/** What a replica needs to take every record as it is, whatever the original has. */
const FORCED_CONFIGS: Readonly<Record<string, string>> = {
  // keeps the codec of the batches that we write
  'compression.type': 'producer',
  // keeps the times of the records
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': LONGEST,
  'message.timestamp.after.max.ms': LONGEST,
}

/** Kafka's defaults, where a cluster does not tell. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588

/** What a source tells of a topic: the configs that matter and were set on the topic itself; defaults of a cluster stay its own. */
export function configsToTell(configs: TopicConfigs): Record<string, string> {
  const told: Record<string, string> = {}
  for (const name of COPIED_CONFIGS) if (configs[name]?.explicit) told[name] = configs[name].value
  return told
}

/** Configs of a replica that is created now. Names that the source should not have sent are ignored. */
export function configsForCreation(told: Readonly<Record<string, string>>): Record<string, string> {
  const configs: Record<string, string> = {}
  for (const name of COPIED_CONFIGS) if (told[name] !== undefined) configs[name] = told[name]
  return { ...configs, ...FORCED_CONFIGS }
}

export interface ConfigDifference {
  readonly name: string
  readonly origin: string
  readonly here: string | undefined
}

/** Where the replica differs from what the source tells. Values in force here count, wherever they were set. */
export function configDifferences(told: Readonly<Record<string, string>>, here: TopicConfigs): ConfigDifference[] {
  const differences: ConfigDifference[] = []
  for (const name of COPIED_CONFIGS) {
    const origin = told[name]
    if (origin !== undefined && origin !== here[name]?.value)
      differences.push({ name, origin, here: here[name]?.value })
  }
  return differences
}

export function isCompacted(configs: TopicConfigs | undefined): boolean {
  return (configs?.['cleanup.policy']?.value ?? 'delete').split(',').some(policy => policy.trim() === 'compact')
}

/** `max.message.bytes` in force. */
export function maxMessageBytes(configs: TopicConfigs | undefined): number {
  const value = Number(configs?.['max.message.bytes']?.value)
  return Number.isSafeInteger(value) && value > 0 ? value : DEFAULT_MAX_MESSAGE_BYTES
}
