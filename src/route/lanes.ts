/**
 * Which lane a partition of a link belongs to. A lane is only a set of partitions that are owned together by one node
 * of a dc; nothing durable depends on it, so the number of lanes, that of the partitions of `__isthmus.lanes`, may grow.
 */

/** Lanes per link unless configured. */
export const DEFAULT_LANES = 16
/** Each lane is a partition of the control topic and an entry in every assignment. */
export const MAX_LANES = 1024

/**
 * `(hash(topic) + partition) mod lanes`: the same on every node, version and machine. The hash places topics evenly;
 * adding the partition spreads the partitions of one topic over all lanes, as evenly as can be.
 */
export function laneOf(topic: string, partition: number, lanes: number): number {
  return (topicHash(topic) + partition) % lanes
}

/** FNV-1a (32 bits) of the name, then the finalizer of MurmurHash3, since FNV's low bits alone are weak. Unsigned. */
function topicHash(topic: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < topic.length; i++) {
    hash ^= topic.charCodeAt(i)
    hash = Math.imul(hash, 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return hash >>> 0
}

/** Lanes as text: `0-3, 7, 9-10`. */
export function laneRanges(lanes: readonly number[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const lane of lanes.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to === lane - 1) last.to = lane
    else ranges.push({ from: lane, to: lane })
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}
