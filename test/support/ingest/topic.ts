import { createTopicsV7 } from '@platformatic/kafka'
import { call } from '../../../src/kafka/call.ts'
import type { KafkaCluster } from '../../../src/kafka/index.ts'
import { eventually } from '../processes.ts'

/** Creates a topic with one replica and waits until its leader is known. */
export async function createTopic(
  cluster: KafkaCluster,
  name: string,
  numPartitions: number,
  configs: Record<string, string> = {},
): Promise<void> {
  const topic = {
    name,
    numPartitions,
    replicationFactor: 1,
    assignments: [],
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  }
  await call(await cluster.controllerConnection(), createTopicsV7.api, [topic], 10_000, false)
  await eventually(`${name} has a leader`, 30_000, async () => {
    const found = await cluster.metadata.refresh(name)
    return found?.partitions.every(partition => partition.leader >= 0)
  })
}
