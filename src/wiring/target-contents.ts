import type { ClusterTargetLog } from '../kafka/index.ts'
import type { LocalCatalog } from '../topics/local-catalog.ts'
import type { TargetContents } from '../topics/ports.ts'
import type { SharedState } from './shared-state.ts'

/**
 * Could a first start from the earliest record double what another tool mirrored before? Only in topics that were here
 * before the link ever began, that hold records, and that the link has not written yet.
 */
export function targetContents(state: SharedState, target: ClusterTargetLog, catalog: LocalCatalog): TargetContents {
  return {
    firstStartWouldDouble: async (origin, topic) => {
      const before = await state.control.topicsBefore(origin, () => [...catalog.topics()].map(({ name }) => name))
      const local = catalog.get(topic)
      if (!local || !before.has(topic)) return false
      const partitions = Array.from({ length: local.partitions }, (_, partition) => ({ topic, partition }))
      const filled = await Promise.all(
        partitions.map(async partition => {
          if (state.registry.writersOf(origin, topic, partition.partition).length > 0) return false
          const { logStartOffset, endOffset } = await target.offsets(partition)
          return endOffset > logStartOffset
        }),
      )
      return filled.includes(true)
    },
  }
}
