/** The shared state of a data center lives in its own Kafka (design.md 3), in these topics. */

export const REGISTRY_TOPIC = '__isthmus.registry'
export const PROGRESS_TOPIC = '__isthmus.progress'
export const CONTROL_TOPIC = '__isthmus.control'
export const LANES_TOPIC = '__isthmus.lanes'
export const SELF_TEST_TOPIC = '__isthmus.selftest'

export interface StateTopic {
  readonly name: string
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
}

const COMPACTED = {
  'cleanup.policy': 'compact',
  'unclean.leader.election.enable': 'false',
  'segment.bytes': String(16 * 1024 * 1024),
}

/** One partition, read by every node. More would not help: entries are few and small. */
const TABLE_PARTITIONS = 1

/** What must exist before anything is replicated. `lanes`: partitions of the lanes topic, one per lane. */
export function stateTopics(lanes: number, minInsyncReplicas: number): StateTopic[] {
  const minIsr = { 'min.insync.replicas': String(minInsyncReplicas) }
  return [
    { name: REGISTRY_TOPIC, partitions: TABLE_PARTITIONS, configs: { ...COMPACTED, ...minIsr } },
    { name: PROGRESS_TOPIC, partitions: TABLE_PARTITIONS, configs: { ...COMPACTED, ...minIsr } },
    { name: CONTROL_TOPIC, partitions: TABLE_PARTITIONS, configs: { ...COMPACTED, ...minIsr } },
    { name: LANES_TOPIC, partitions: lanes, configs: { 'retention.ms': '3600000' } },
    { name: SELF_TEST_TOPIC, partitions: 1, configs: { 'retention.ms': '3600000' } },
  ]
}

/** A setting of one of these topics that endangers what the gateway promises (exactly-once.md 2.4, 2.5). */
export interface StateTopicProblem {
  readonly topic: string
  /** The config that is not as it should be. */
  readonly key: string
  readonly message: string
  /** Nothing may run with it. */
  readonly fatal: boolean
}

/** Judges the topics that are there by their configs in force. */
export function stateTopicProblems(
  wanted: readonly StateTopic[],
  configsOf: (topic: string) => Readonly<Record<string, string>> | undefined,
): StateTopicProblem[] {
  return wanted.flatMap(({ name, configs }) => {
    const actual = configsOf(name)
    if (!actual) return []
    return MATTERS.filter(
      key => configs[key] !== undefined && actual[key] !== undefined && actual[key] !== configs[key],
    ).map(key => ({
      topic: name,
      key,
      message: `${key} of ${name} is ${actual[key]}, it should be ${configs[key]}`,
      // A registry or progress that retention empties is lost without anybody having done anything.
      fatal: key === 'cleanup.policy',
    }))
  })
}

/** Configs whose difference endangers data; others may be tuned. */
const MATTERS = ['cleanup.policy', 'min.insync.replicas', 'unclean.leader.election.enable']
