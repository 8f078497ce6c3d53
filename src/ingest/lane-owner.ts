import type { Clock } from '../component.ts'

/** How this node shares the lanes with the other nodes of its data center. Implemented over a consumer group. */
export interface LaneMembership {
  /** Assigned lanes as of the last rebalance, empty while there is none, and how many lanes there are; at every change. */
  onAssigned(listener: (lanes: ReadonlySet<number>, total: number) => void): void
  /** When the group last confirmed us, on the monotonic clock; -Infinity: never. */
  lastConfirmedMonotonicMs(): number
}

/**
 * Which lanes are ours. Correctness does not rest on it, the fence does: this keeps two nodes from fencing each other
 * for ever. A node that the group has not confirmed for a session time-out owns nothing.
 */
export class LaneOwner {
  readonly #membership: LaneMembership
  readonly #clock: Clock
  readonly #sessionTimeoutMs: number
  readonly #listeners = new Set<(lanes: ReadonlySet<number>, total: number) => void>()
  #lanes: ReadonlySet<number> = new Set()
  #total: number

  /** `total`: lanes at the start. */
  constructor(membership: LaneMembership, clock: Clock, sessionTimeoutMs: number, total: number) {
    this.#membership = membership
    this.#clock = clock
    this.#sessionTimeoutMs = sessionTimeoutMs
    this.#total = total
    // Lanes stay with us until another assignment says otherwise or the time-out passes: a rebalance stops no lane.
    membership.onAssigned((lanes, now) => this.#set(lanes, now))
  }

  get lanes(): ReadonlySet<number> {
    return this.#lanes
  }

  /**
   * How many lanes the data center has: the partitions of `__isthmus.lanes`, which only grow. A node that knows of a growth
   * late cuts its partitions by the old number; the fence makes that harmless, and it hears of it in a moment.
   */
  get total(): number {
    return this.#total
  }

  isOwner(lane: number): boolean {
    return this.#lanes.has(lane) && this.confirmed()
  }

  /** Within the session time-out nobody else can have been given our lanes. */
  confirmed(): boolean {
    return this.#clock.monotonicMs() - this.#membership.lastConfirmedMonotonicMs() < this.#sessionTimeoutMs
  }

  /** Called with every change, and at once with what is owned now. */
  subscribe(listener: (lanes: ReadonlySet<number>, total: number) => void): void {
    this.#listeners.add(listener)
    listener(this.#lanes, this.#total)
  }

  #set(lanes: ReadonlySet<number>, total: number): void {
    this.#lanes = lanes
    this.#total = Math.max(this.#total, total)
    for (const listener of this.#listeners) listener(lanes, this.#total)
  }
}
