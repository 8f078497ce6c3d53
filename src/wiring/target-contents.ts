import type { ClusterTargetLog } from '../kafka/index.ts'
import { neverCrosses } from '../route/topic-filter.ts'
import { type EndsBefore, wouldDouble } from '../topics/first-start.ts'
import type { LocalCatalog } from '../topics/local-catalog.ts'
import type { ListedTopic, TargetContents } from '../topics/ports.ts'
import type { SharedState } from './shared-state.ts'

/** Topics whose log ends are asked for at once. */
const TOPICS_AT_ONCE = 50
/** Of a partition that does not answer now all that it holds counts as there before. */
const UNKNOWN_END = Number.MAX_SAFE_INTEGER

/** Could a first start from the earliest record double what another tool mirrored before? */
export function targetContents(state: SharedState, target: ClusterTargetLog, catalog: LocalCatalog): TargetContents {
  const { registry, progress, control } = state
  return {
    firstStartWouldDouble: async (origin, topic) => {
      const local = catalog.get(topic)
      if (!local) return false
      await registry.catchUp()
      return await wouldDouble(origin, local, {
        endsBefore: (of, name) => control.endsBefore(of, name),
        hasFetched: (of, name, partition) =>
          registry.writersOf(of, name, partition).length > 0 || progress.of(of, name, partition).length > 0,
        isWriter: producerId => registry.writer(producerId) !== undefined,
        offsets: partition => target.offsets(partition),
        read: (partition, from, maxBytes, maxWaitMs) => target.read(partition, from, maxBytes, maxWaitMs),
      })
    },
  }
}

/**
 * Remembers for good, once per link and before it starts, what this cluster holds: only that can have been mirrored
 * before. To ask later, when a peer first answers, would take for foreign what applications and other links wrote since.
 */
export async function rememberContents(
  origins: readonly string[],
  { control }: SharedState,
  target: ClusterTargetLog,
  catalog: LocalCatalog,
): Promise<void> {
  const beginning = origins.filter(origin => !control.hasBegun(origin))
  if (beginning.length === 0) return
  const contents = await contentsNow(target, catalog)
  for (const origin of beginning) await control.begin(origin, contents)
}

/** Where the logs of all topics that hold records end. */
async function contentsNow(target: ClusterTargetLog, catalog: LocalCatalog): Promise<Map<string, EndsBefore>> {
  const topics = [...catalog.topics()].filter(({ name }) => !neverCrosses(name))
  const contents = new Map<string, EndsBefore>()
  for (let at = 0; at < topics.length; at += TOPICS_AT_ONCE) {
    const some = topics.slice(at, at + TOPICS_AT_ONCE)
    const ends = await Promise.all(some.map(topic => endsOf(topic, target)))
    for (const [index, { name, topicId }] of some.entries()) {
      if (ends[index]!.some(end => end > 0)) contents.set(name, { topicId, ends: ends[index]! })
    }
  }
  return contents
}

function endsOf({ name, partitions }: ListedTopic, target: ClusterTargetLog): Promise<number[]> {
  const ends = Array.from({ length: partitions }, async (_, partition) => {
    try {
      const { logStartOffset, endOffset } = await target.offsets({ topic: name, partition })
      return endOffset > logStartOffset ? endOffset : 0
    } catch {
      return UNKNOWN_END
    }
  })
  return Promise.all(ends)
}
