import type { MemberView } from '../admin/ports.ts'
import type { Clock, Component } from '../component.ts'
import type { GroupMembership } from '../kafka/index.ts'

const LOOK_EVERY_MS = 5_000

/** Who shares the lanes of this data center, as the group's coordinator saw it a few seconds ago. */
export class Members implements Component {
  readonly name = 'members'
  readonly #membership: GroupMembership
  readonly #clock: Clock
  readonly #stopped = new AbortController()
  #known: readonly MemberView[] = []

  constructor(membership: GroupMembership, clock: Clock) {
    this.#membership = membership
    this.#clock = clock
  }

  /** Every node, sorted by name. What `node`, this one, knows of itself goes first: lanes that it has are nobody else's. */
  with(node: string, own: ReadonlySet<number>): readonly MemberView[] {
    const others = this.#known
      .filter(member => member.node !== node)
      .map(member => ({ ...member, lanes: member.lanes.filter(lane => !own.has(lane)) }))
    return [{ node, lanes: [...own].sort((a, b) => a - b) }, ...others].toSorted((a, b) => (a.node < b.node ? -1 : 1))
  }

  async start(): Promise<void> {
    void this.#keepLooking()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
  }

  async #keepLooking(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        const members = await this.#membership.members()
        // Empty during a rebalance: what was known is nearer to the truth.
        if (members.length > 0) this.#known = members.map(({ node, partitions }) => ({ node, lanes: partitions }))
      } catch {
        // Only shown to operators; the next look may succeed.
      }
      await this.#clock.sleep(LOOK_EVERY_MS, this.#stopped.signal)
    }
  }
}
