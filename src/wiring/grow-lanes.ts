import { KafkaFailure } from '../kafka/failure.ts'
import type { ClusterAdmin, KafkaCluster } from '../kafka/index.ts'
import { LANES_TOPIC } from '../state/topics.ts'
import type { Logger } from '../telemetry/log.ts'

/**
 * Gives the lanes topic as many partitions as the config asks for. It never loses any, so the topic's own number is the
 * one that every node goes by, whatever its config says. Resolves with it. Rejects with KafkaFailure when it is not known.
 */
export async function growLanes(
  cluster: { readonly metadata: Pick<KafkaCluster['metadata'], 'refresh'> },
  admin: Pick<ClusterAdmin, 'growPartitions'>,
  log: Pick<Logger, 'info' | 'warn'>,
  wanted: number,
): Promise<number> {
  const count = async () => (await cluster.metadata.refresh(LANES_TOPIC))?.partitions.length ?? 0
  const lanes = await count()
  if (lanes > wanted)
    log.warn({ lanes, configured: wanted }, 'flow.lanes is less than there are; lanes are never taken away')
  if (lanes >= wanted) return lanes
  try {
    await admin.growPartitions(LANES_TOPIC, wanted)
    log.info({ from: lanes, to: wanted }, 'lanes are added')
  } catch (error) {
    if (!(error instanceof KafkaFailure)) throw error
    // Another node may have been first, and this one may not be allowed to: the lanes that are there do as well.
    log.warn({ error, lanes, configured: wanted }, 'lanes were not added')
  }
  return await count()
}
