/** One member of a group as it asked to join. */
export interface GroupMember {
  readonly id: string
  /** Decides between members that have equally much, so that every leader comes to the same result. */
  readonly node: string
  /** What it had before, as it says itself; two members may claim the same after a split. */
  readonly owned: readonly number[]
}

/**
 * Partitions 0 to `count` - 1 over the members, evenly to one, and with as few moves as that allows: what stays with its
 * owner keeps flowing through the rebalance. The same members and claims give the same result on every node.
 */
export function assignSticky(members: readonly GroupMember[], count: number): Map<string, number[]> {
  const assigned = new Map<string, number[]>()
  if (members.length === 0) return assigned
  // Who has most keeps most: the shares that are one larger go to those who can fill them without a move.
  const ordered = members.toSorted(
    (a, b) => b.owned.length - a.owned.length || compare(a.node, b.node) || compare(a.id, b.id),
  )
  const least = Math.floor(count / members.length)
  const larger = count % members.length
  const taken = new Set<number>()
  const shares = ordered.map((member, index) => {
    const size = index < larger ? least + 1 : least
    const claimed = new Set(member.owned.filter(partition => partition < count && !taken.has(partition)))
    const kept = [...claimed].slice(0, size)
    for (const partition of kept) taken.add(partition)
    return { member, size, kept }
  })
  const free = Array.from({ length: count }, (_, partition) => partition).filter(partition => !taken.has(partition))
  for (const { member, size, kept } of shares) {
    const added = free.splice(0, size - kept.length)
    assigned.set(
      member.id,
      [...kept, ...added].toSorted((a, b) => a - b),
    )
  }
  return assigned
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
