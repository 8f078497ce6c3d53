import { type StateTopic, stateTopics } from '../../state/topics.ts'
import type { LocalTopic } from '../../topics/local-catalog.ts'
import { several } from '../text.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { CheckFacts, CheckStep } from './step.ts'

/** The gateway's own topics: what they are, and how they should be (exactly-once.md 2.4, 2.5). */
export const ownTopics: CheckStep = {
  title: 'own topics',
  async run(facts) {
    const { cluster, catalog, config } = facts
    if (cluster === undefined || catalog === undefined) return []
    const { replicationFactor } = config.kafka.internalTopics
    const findings: Finding[] = []
    if (replicationFactor > cluster.brokers.length)
      findings.push(
        problem(
          'kafka.internalTopics',
          `replicationFactor is ${replicationFactor}, but the cluster has ${several(cluster.brokers.length, 'broker')}`,
          `add brokers, or set replicationFactor: ${cluster.brokers.length} and minInsyncReplicas: ${Math.max(1, cluster.brokers.length - 1)}`,
        ),
      )
    for (const wanted of stateTopics(config.flow.lanes, config.kafka.internalTopics.minInsyncReplicas)) {
      const topic = catalog.get(wanted.name)
      if (topic !== undefined) findings.push(...(await judge(facts, topic, wanted)))
    }
    return findings.length > 0 ? findings : [ok('__isthmus.*', 'are as they should be, or will be created so')]
  },
}

async function judge({ cluster, config }: CheckFacts, topic: LocalTopic, wanted: StateTopic): Promise<Finding[]> {
  const findings: Finding[] = []
  const metadata = await cluster?.topic(topic.name)
  const replicas = Math.min(...(metadata?.partitions.map(partition => partition.replicas.length) ?? []))
  const { replicationFactor } = config.kafka.internalTopics
  if (replicas < replicationFactor)
    findings.push(
      warning(
        topic.name,
        `has ${several(replicas, 'replica')}, less than the ${replicationFactor} wanted`,
        'reassign it with kafka-reassign-partitions.sh',
      ),
    )
  for (const [name, value] of Object.entries(wanted.configs)) {
    const actual = topic.configs[name]?.value
    if (actual === undefined || actual === value || !MATTERS.has(name)) continue
    const level = name === 'cleanup.policy' ? problem : warning
    findings.push(
      level(
        topic.name,
        `${name} is ${actual}, should be ${value}`,
        `kafka-configs.sh --alter --topic ${topic.name} --add-config ${name}=${value}`,
      ),
    )
  }
  if (topic.partitions < wanted.partitions)
    findings.push(
      problem(
        topic.name,
        `has ${topic.partitions} partitions, ${wanted.partitions} are needed`,
        'lower flow.lanes, or add partitions',
      ),
    )
  return findings
}

/** Configs whose difference endangers data; others may be tuned. */
const MATTERS = new Set(['cleanup.policy', 'min.insync.replicas', 'unclean.leader.election.enable'])
