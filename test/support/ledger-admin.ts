import { type Admin, Kafka, logLevel } from 'kafkajs'
import { eventually } from './processes.ts'

/** Topics of a test cluster, through a client that is not ours. */
export interface LedgerAdmin {
  createTopic(topic: string, partitions: number, configs?: Readonly<Record<string, string>>): Promise<void>
  addPartitions(topic: string, total: number): Promise<void>
  deleteTopic(topic: string): Promise<void>
  /** Everything below `offset` goes. */
  deleteRecords(topic: string, partition: number, offset: number): Promise<void>
  /** undefined: no such topic. */
  partitionCount(topic: string): Promise<number | undefined>
  topics(): Promise<string[]>
  /** Sum of the end offsets of all partitions; 0 for a topic that does not exist. */
  endOffsets(topic: string): Promise<number>
  setConfigs(topic: string, configs: Readonly<Record<string, string>>): Promise<void>
  close(): Promise<void>
}

const ADMIN_TIMEOUT_MS = 30_000

export async function ledgerAdmin(bootstrap: string): Promise<LedgerAdmin> {
  const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { retries: 5 } })
  const admin = kafka.admin()
  await admin.connect()
  const countOf = (topic: string) => partitionCount(admin, topic)
  return {
    createTopic: async (topic, partitions, configs = {}) => {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const created = { topic, numPartitions: partitions, replicationFactor: -1, configEntries }
      // Its own waiting fails over a topic that was just deleted under the same name.
      await admin.createTopics({ topics: [created], timeout: ADMIN_TIMEOUT_MS, waitForLeaders: false })
      await eventually(
        `${topic} has leaders`,
        ADMIN_TIMEOUT_MS,
        async () => (await leaders(admin, topic)) === partitions,
      )
    },
    addPartitions: async (topic, total) => {
      await admin.createPartitions({ topicPartitions: [{ topic, count: total }], timeout: ADMIN_TIMEOUT_MS })
    },
    deleteTopic: topic => admin.deleteTopics({ topics: [topic], timeout: ADMIN_TIMEOUT_MS }),
    deleteRecords: async (topic, partition, offset) => {
      // kafkajs knows the leaders of those topics only that it was asked about before.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
    },
    partitionCount: countOf,
    topics: () => admin.listTopics(),
    endOffsets: async topic => {
      if ((await countOf(topic)) === undefined) return 0
      const partitions = await admin.fetchTopicOffsets(topic).catch(() => [])
      return partitions.reduce((total, each) => total + Number(each.high), 0)
    },
    setConfigs: async (topic, configs) => {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] })
    },
    close: () => admin.disconnect(),
  }
}

async function leaders(admin: Admin, topic: string): Promise<number> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return topics[0]?.partitions.filter(each => each.leader >= 0).length ?? 0
}

async function partitionCount(admin: Admin, topic: string): Promise<number | undefined> {
  const existing = await admin.listTopics()
  if (!existing.includes(topic)) return undefined
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return topics[0]?.partitions.length
}
