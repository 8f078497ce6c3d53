import type { MemberView } from '../admin/ports.ts'
import type { Clock, Component } from '../component.ts'
import type { GroupMembership } from '../kafka/index.ts'
import { lookEvery } from './look-every.ts'

const LOOK_EVERY_MS = 5_000

/** Who shares the lanes of this data center, as the group's coordinator saw it a few seconds ago. */
export class Members implements Component {
  readonly name = 'members'
  readonly #membership: GroupMembership
  readonly #looking: Component
  #known: readonly MemberView[] = []

  constructor(membership: GroupMembership, clock: Clock) {
    this.#membership = membership
    // Only shown to operators: a look that fails leaves what was known.
    this.#looking = lookEvery(this.name, clock, LOOK_EVERY_MS, () => this.#look())
  }

  /** Every node, sorted by name. What `node`, this one, knows of itself goes first: lanes that it has are nobody else's. */
  with(node: string, own: ReadonlySet<number>): readonly MemberView[] {
    const others = this.#known
      .filter(member => member.node !== node)
      .map(member => ({ ...member, lanes: member.lanes.filter(lane => !own.has(lane)) }))
    return [{ node, lanes: [...own].sort((a, b) => a - b) }, ...others].toSorted((a, b) => (a.node < b.node ? -1 : 1))
  }

  start(): Promise<void> {
    return this.#looking.start()
  }

  stop(deadlineMs: number): Promise<void> {
    return this.#looking.stop(deadlineMs)
  }

  async #look(): Promise<void> {
    const members = await this.#membership.members()
    // Empty during a rebalance: what was known is nearer to the truth.
    if (members.length > 0) this.#known = members.map(({ node, partitions }) => ({ node, lanes: partitions }))
  }
}
