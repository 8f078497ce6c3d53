import { LANES_TOPIC, type StateTopic, stateTopicProblems, stateTopics } from '../../state/topics.ts'
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
  const inForce = Object.fromEntries(Object.entries(topic.configs).map(([key, { value }]) => [key, value]))
  for (const { key, message, fatal } of stateTopicProblems([wanted], () => inForce)) {
    const level = fatal ? problem : warning
    const hint = `kafka-configs.sh --alter --topic ${topic.name} --add-config ${key}=${wanted.configs[key]}`
    findings.push(level(topic.name, message, hint))
  }
  if (topic.name === LANES_TOPIC) findings.push(...lanesFinding(topic.partitions, wanted.partitions))
  return findings
}

/** The topic's own number of partitions is the number of lanes. */
function lanesFinding(lanes: number, configured: number): Finding[] {
  if (lanes === configured) return []
  if (lanes < configured)
    return [ok(LANES_TOPIC, `has ${several(lanes, 'lane')}; the next gateway that starts adds ${configured - lanes}`)]
  return [
    warning(
      LANES_TOPIC,
      `has ${several(lanes, 'lane')}, flow.lanes is ${configured}: lanes are never taken away`,
      `set flow.lanes: ${lanes}`,
    ),
  ]
}
