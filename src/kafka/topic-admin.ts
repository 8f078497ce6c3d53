import {
  ConfigResourceTypes,
  createPartitionsV3,
  createTopicsV7,
  deleteTopicsV6,
  describeConfigsV4,
  IncrementalAlterConfigOperationTypes,
  incrementalAlterConfigsV1,
} from '@platformatic/kafka'
import type { ConfigValue, NewTopic, TopicAdmin, TopicConfigs } from '../topics/ports.ts'
import { call } from './call.ts'
import type { KafkaCluster } from './cluster.ts'
import { errorName, failureFor } from './error-table.ts'

const ADMIN_TIMEOUT_MS = 15_000
/** The cluster's own default (KIP-464). */
const DEFAULT_REPLICATION_FACTOR = -1
const TOPICS_PER_REQUEST = 200
/** ConfigSource DYNAMIC_TOPIC_CONFIG: set on the topic itself. */
const SOURCE_TOPIC = 1

export interface ClusterAdmin extends TopicAdmin {
  /** As in the port, and with a replication factor of its own. Rejects `fatal` TOPIC_ALREADY_EXISTS. */
  createTopic(topic: NewTopic & { readonly replicationFactor?: number }): Promise<void>
  deleteTopic(topic: string): Promise<void>
  /** Every setting of a broker, dynamic and static, as it is in force. */
  brokerConfigs(nodeId?: number): Promise<ReadonlyMap<string, string>>
}

/** Topics and configs of a cluster over the product's own connections. Every call is one attempt and rejects with KafkaFailure. */
export function openTopicAdmin(cluster: KafkaCluster): ClusterAdmin {
  return {
    listTopics: async () =>
      (await cluster.listTopics()).map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.length,
      })),
    describeConfigs: topics => describeTopicConfigs(cluster, topics),
    createTopic: topic => createTopic(cluster, topic),
    growPartitions: (topic, partitions) => growPartitions(cluster, topic, partitions),
    setConfigs: (topic, configs) => setConfigs(cluster, topic, configs),
    deleteTopic: topic => deleteTopic(cluster, topic),
    brokerConfigs: nodeId => brokerConfigs(cluster, nodeId),
  }
}

async function createTopic(
  cluster: KafkaCluster,
  { name, partitions, configs, replicationFactor }: NewTopic & { replicationFactor?: number },
): Promise<void> {
  const request = {
    name,
    numPartitions: partitions,
    replicationFactor: replicationFactor ?? DEFAULT_REPLICATION_FACTOR,
    assignments: [],
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  }
  const answer = await call(
    await cluster.controllerConnection(),
    createTopicsV7.api,
    [request],
    ADMIN_TIMEOUT_MS,
    false,
  )
  const topic = answer.topics[0]
  if (topic?.errorCode !== 0) throw failureFor(topic?.errorCode ?? -1, `CreateTopics of ${name}`, topic?.errorMessage)
}

async function growPartitions(cluster: KafkaCluster, name: string, count: number): Promise<void> {
  // null lets the cluster assign; an empty list would be read as an assignment of nothing.
  const request = { name, count, assignments: null }
  const answer = await call(
    await cluster.controllerConnection(),
    createPartitionsV3.api,
    [request],
    ADMIN_TIMEOUT_MS,
    false,
  )
  const result = answer.results[0]
  if (result?.errorCode !== 0)
    throw failureFor(result?.errorCode ?? -1, `CreatePartitions of ${name}`, result?.errorMessage)
}

async function setConfigs(
  cluster: KafkaCluster,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const request = {
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName: topic,
    configs: Object.entries(configs).map(([name, value]) => ({
      name,
      configOperation: IncrementalAlterConfigOperationTypes.SET,
      value,
    })),
  }
  const answer = await call(await cluster.controllerConnection(), incrementalAlterConfigsV1.api, [request], false)
  const result = answer.responses[0]
  if (result?.errorCode !== 0) {
    throw failureFor(result?.errorCode ?? -1, `IncrementalAlterConfigs of ${topic}`, result?.errorMessage)
  }
}

async function deleteTopic(cluster: KafkaCluster, name: string): Promise<void> {
  const answer = await call(await cluster.controllerConnection(), deleteTopicsV6.api, [{ name }], ADMIN_TIMEOUT_MS)
  const result = answer.responses[0]
  if (result?.errorCode !== 0)
    throw failureFor(result?.errorCode ?? -1, `DeleteTopics of ${name}`, result?.errorMessage)
}

async function describeTopicConfigs(
  cluster: KafkaCluster,
  topics: readonly string[],
): Promise<ReadonlyMap<string, TopicConfigs>> {
  const described = new Map<string, TopicConfigs>()
  for (let at = 0; at < topics.length; at += TOPICS_PER_REQUEST) {
    const resources = topics
      .slice(at, at + TOPICS_PER_REQUEST)
      .map(resourceName => ({ resourceType: ConfigResourceTypes.TOPIC, resourceName, configurationKeys: null }))
    const answer = await call(await cluster.anyConnection(), describeConfigsV4.api, resources, false, false)
    for (const { errorCode, errorMessage, resourceName, configs } of answer.results) {
      const name = errorName(errorCode)
      if (name === 'UNKNOWN_TOPIC_OR_PARTITION' || name === 'TOPIC_AUTHORIZATION_FAILED') continue
      if (errorCode !== 0) throw failureFor(errorCode, `DescribeConfigs of ${resourceName}`, errorMessage)
      const values: Record<string, ConfigValue> = {}
      for (const { name, value, configSource } of configs) {
        values[name] = { value: value ?? '', explicit: configSource === SOURCE_TOPIC }
      }
      described.set(resourceName, values)
    }
  }
  return described
}

async function brokerConfigs(cluster: KafkaCluster, nodeId?: number): Promise<ReadonlyMap<string, string>> {
  const broker = nodeId ?? cluster.brokers[0]?.nodeId ?? -1
  const resource = { resourceType: ConfigResourceTypes.BROKER, resourceName: String(broker), configurationKeys: null }
  const connection = await cluster.connection(broker, 'control')
  const answer = await call(connection, describeConfigsV4.api, [resource], false, false)
  const result = answer.results[0]
  if (result?.errorCode !== 0)
    throw failureFor(result?.errorCode ?? -1, `DescribeConfigs of broker ${broker}`, result?.errorMessage)
  return new Map(result.configs.map(({ name, value }) => [name, value ?? '']))
}
