import type { KafkaCluster } from '../../kafka/cluster.ts'
import { LogQueries } from '../../kafka/log-queries.ts'
import { Transactions } from '../../kafka/transactions.ts'
import { transactionalId } from '../../route/transactional-id.ts'
import type { LocalTopic } from '../../topics/local-catalog.ts'

/**
 * Does a topic here hold records in a partition that the link from `origin` has never written? The link's writer of a
 * partition is known by its transactional.id, which a running gateway keeps alive; so this asks without reading a record.
 */
export async function holdsForeignRecords(cluster: KafkaCluster, origin: string, local: LocalTopic): Promise<boolean> {
  const queries = new LogQueries(cluster)
  const transactions = new Transactions(cluster)
  const foreign = await Promise.all(
    Array.from({ length: local.partitions }, async (_, partition) => {
      const { logStartOffset, endOffset } = await queries.logOffsets({ topic: local.name, partition })
      if (endOffset === logStartOffset) return false
      const id = transactionalId({ origin, topic: local.name, partition, generation: 0 })
      return (await transactions.describe(id)) === undefined
    }),
  )
  return foreign.includes(true)
}
