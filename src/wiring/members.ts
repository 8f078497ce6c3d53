import type { Clock, Component } from '../component.ts'
import type { GroupMembership } from '../kafka/index.ts'

const LOOK_EVERY_MS = 5_000

export interface MemberView {
  readonly node: string
  readonly lanes: number
}

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

  known(): readonly MemberView[] {
    return this.#known
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
        if (members.length > 0)
          this.#known = members.map(({ node, partitions }) => ({ node, lanes: partitions.length }))
      } catch {
        // Only shown to operators; the next look may succeed.
      }
      await this.#clock.sleep(LOOK_EVERY_MS, this.#stopped.signal)
    }
  }
}
