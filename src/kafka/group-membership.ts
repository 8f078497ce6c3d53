import { describeGroupsV5 } from '@platformatic/kafka'
import { AssignerProtocol, type Consumer, type PartitionAssigner } from 'kafkajs'
import { call } from './call.ts'
import { CONTROL, type KafkaCluster } from './cluster.ts'
import { failureFor } from './error-table.ts'
import { kafkajsClient, type LogSink } from './kafkajs-client.ts'
import { retry } from './retry.ts'
import { assignSticky, type GroupMember } from './sticky-assignment.ts'

const ASSIGNER_NAME = 'isthmus-sticky'
const ASSIGNER_VERSION = 0
/** With everything paused kafkajs sleeps this long between heartbeats; longer, and members throw each other out. */
const MAX_WAIT_MS = 500
const RESTART_PAUSE_MS = 1_000
/** How often what is known of the topic is looked at; it is asked for anew every 30 s (metadata.ts). */
const GROWN_LOOK_MS = 1_000
/** So many heartbeats in one session time-out; and in one rebalance, which a member hears of by its heartbeat only. */
const HEARTBEATS_PER_TIMEOUT = 4
/** Who adds partitions at its start joins a moment later: the rebalance that this needs comes by itself. */
const GROWN_GRACE_MS = 10_000
const DESCRIBE_WITHIN_MS = 5_000

export interface MembershipOptions {
  readonly groupId: string
  /** Its partitions are what is shared; no record of it is ever read. */
  readonly topic: string
  /** Name of this node. Unique in the group. */
  readonly node: string
  /** What other nodes may want to know of this one, such as addresses. */
  readonly about?: Readonly<Record<string, string>>
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly log: LogSink
}

export interface NamedMember {
  readonly node: string
  readonly about: Readonly<Record<string, string>>
  readonly partitions: readonly number[]
}

/** What a member says of itself when it joins. */
interface UserData {
  readonly v: 1
  readonly node: string
  readonly about: Readonly<Record<string, string>>
  readonly owned: readonly number[]
}

/**
 * Membership in a consumer group without any data: the partitions of a topic stand for what is shared. Which partitions
 * are ours is advice, not a guarantee: a rebalance does not wait for us, so whoever acts on it must be fenced.
 */
export class GroupMembership {
  private readonly cluster: KafkaCluster
  private readonly options: MembershipOptions
  private readonly assignedListeners: ((partitions: ReadonlySet<number>, total: number) => void)[] = []
  private assigned: ReadonlySet<number> = new Set()
  /** Partitions of the topic, and how many there were when the group last shared them out. */
  private total = 0
  private sharedTotal = 0
  /** Since when more are known than were shared out. */
  private grownSinceMs: number | undefined
  private confirmedMs = Number.NEGATIVE_INFINITY
  private consumer: Consumer | undefined
  private watch: NodeJS.Timeout | undefined
  private restart: NodeJS.Timeout | undefined
  private stopped = false
  private refusal: string | undefined

  constructor(cluster: KafkaCluster, options: MembershipOptions) {
    this.cluster = cluster
    this.options = options
  }

  /**
   * All partitions that are ours now and how many there are: at every rebalance, when the topic has grown, and again when
   * the group confirms us after a loss.
   */
  onAssigned(listener: (partitions: ReadonlySet<number>, total: number) => void): void {
    this.assignedListeners.push(listener)
  }

  /** When the group last confirmed us, on the monotonic clock (performance.now); -Infinity: never. */
  lastConfirmedMonotonicMs(): number {
    return this.confirmedMs
  }

  /** Why this node is no member: what the group, or the way to it, answered last. undefined: nothing was wrong since it joined. */
  problem(): string | undefined {
    return this.refusal
  }

  /** Begins to join; does not wait for it. Joins again by itself, whatever happens. */
  async start(): Promise<void> {
    this.watch = setInterval(() => this.checkGrown(), GROWN_LOOK_MS)
    this.watch.unref()
    void this.join()
  }

  /** Leaves the group, so that the others go on at once. */
  async stop(): Promise<void> {
    this.stopped = true
    clearInterval(this.watch)
    clearTimeout(this.restart)
    await this.consumer?.disconnect()
    this.consumer = undefined
  }

  /** Every member of the group with its name and partitions, as its coordinator sees it. Empty during a rebalance. */
  async members(): Promise<NamedMember[]> {
    const { groupId, topic } = this.options
    const refresh = () => this.cluster.coordinators.forget('group', groupId)
    return await retry({ withinMs: DESCRIBE_WITHIN_MS, repeatable: true, refresh }, async () => {
      const connection = await this.cluster.coordinator('group', groupId, CONTROL)
      const answer = await call(connection, describeGroupsV5.api, [groupId], false)
      const group = answer.groups[0]
      if (group?.errorCode !== 0) throw failureFor(group?.errorCode ?? -1, `DescribeGroups of ${groupId}`)
      return group.members.flatMap(({ memberMetadata, memberAssignment }) => {
        const said = userDataOf(memberMetadata)
        if (said === undefined) return []
        const assignment = AssignerProtocol.MemberAssignment.decode(memberAssignment)
        return [{ node: said.node, about: said.about, partitions: assignment?.assignment[topic] ?? [] }]
      })
    })
  }

  private async join(): Promise<void> {
    const { groupId, topic, sessionTimeoutMs, rebalanceTimeoutMs, log } = this.options
    const consumer = kafkajsClient(this.cluster.config, log).consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      heartbeatInterval: Math.floor(Math.min(sessionTimeoutMs, rebalanceTimeoutMs) / HEARTBEATS_PER_TIMEOUT),
      maxWaitTimeInMs: MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      partitionAssigners: [this.assigner()],
    })
    this.consumer = consumer
    consumer.on('consumer.group_join', event => {
      // Before the first fetch: nothing of the topic is ever read.
      consumer.pause([{ topic }])
      void this.joined(consumer, new Set(event.payload.memberAssignment[topic] ?? []))
    })
    consumer.on('consumer.heartbeat', () => this.confirmed(undefined))
    consumer.on('consumer.crash', ({ payload }) => {
      if (payload.restart) return
      this.refusal = payload.error.message
      log('warn', 'the group membership ended and begins again', { groupId, error: payload.error.message })
      this.joinAgain(consumer)
    })
    try {
      await consumer.connect()
      await consumer.subscribe({ topic })
      await consumer.run({ autoCommit: false, eachBatch: async () => {} })
    } catch (error) {
      this.refusal = String(error)
      log('warn', 'could not join the group', { groupId, error: String(error) })
      this.joinAgain(consumer)
    }
  }

  private joinAgain(consumer: Consumer): void {
    if (this.stopped || this.consumer !== consumer) return
    this.consumer = undefined
    // It crashed; leaving the group is all that can fail here, and the session time-out does that too.
    void consumer.disconnect().catch(() => undefined)
    this.restart = setTimeout(() => void this.join(), RESTART_PAUSE_MS)
  }

  private confirmed(assigned: ReadonlySet<number> | undefined): void {
    const nowMs = performance.now()
    const wasLost = nowMs - this.confirmedMs > this.options.sessionTimeoutMs
    this.confirmedMs = nowMs
    this.refusal = undefined
    if (assigned !== undefined) this.assigned = assigned
    else if (!wasLost) return
    this.tell()
  }

  private tell(): void {
    for (const listener of this.assignedListeners) listener(this.assigned, this.total)
  }

  /** The topic may have grown before the rebalance: whoever leads the group counted then, so we count now. */
  private async joined(consumer: Consumer, assigned: ReadonlySet<number>): Promise<void> {
    const { topic } = this.options
    const known = this.cluster.metadata.peek(topic)?.partitions.length ?? 0
    this.total = Math.max(this.total, known, ...[...assigned].map(partition => partition + 1))
    this.confirmed(assigned)
    // Without an answer `checkGrown` sees it later.
    const counted = await this.cluster.metadata.refresh(topic).catch(() => undefined)
    if (this.consumer !== consumer || counted === undefined) return
    this.sharedTotal = counted.partitions.length
    if (this.sharedTotal <= this.total) return
    this.total = this.sharedTotal
    this.tell()
  }

  /** Added by somebody else while no member came or went: nobody would have the new ones until we join again. */
  private checkGrown(): void {
    const { topic, groupId, log } = this.options
    // Asked by partition, so that the topic counts as in use and is looked up in the background.
    this.cluster.metadata.partition(topic, 0)
    const total = this.cluster.metadata.peek(topic)?.partitions.length ?? 0
    if (this.consumer === undefined || this.sharedTotal === 0) return
    if (total <= this.sharedTotal) {
      this.grownSinceMs = undefined
      return
    }
    this.grownSinceMs ??= performance.now()
    if (performance.now() - this.grownSinceMs < GROWN_GRACE_MS) return
    log('info', 'the topic has grown; the group shares it out anew', { groupId, from: this.sharedTotal, to: total })
    this.sharedTotal = total
    this.total = total
    this.tell()
    this.joinAgain(this.consumer)
  }

  private assigner(): PartitionAssigner {
    const { topic, node, about } = this.options
    return ({ cluster }) => ({
      name: ASSIGNER_NAME,
      version: ASSIGNER_VERSION,
      protocol: ({ topics }) => {
        const said: UserData = { v: 1, node, about: about ?? {}, owned: [...this.assigned] }
        const userData = Buffer.from(JSON.stringify(said))
        return {
          name: ASSIGNER_NAME,
          metadata: AssignerProtocol.MemberMetadata.encode({ version: ASSIGNER_VERSION, topics, userData }),
        }
      },
      assign: async ({ members }) => {
        // Counted now: what the library knows may be minutes old.
        const counted = await this.cluster.metadata.refresh(topic).catch(() => undefined)
        const count = counted?.partitions.length ?? cluster.findTopicPartitionMetadata(topic).length
        const known = members.map(({ memberId, memberMetadata }): GroupMember => {
          const said = userDataOf(memberMetadata)
          return { id: memberId, node: said?.node ?? memberId, owned: said?.owned ?? [] }
        })
        return [...assignSticky(known, count)].map(([memberId, partitions]) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version: ASSIGNER_VERSION,
            assignment: { [topic]: partitions },
            userData: Buffer.alloc(0),
          }),
        }))
      },
    })
  }
}

function userDataOf(memberMetadata: Buffer): UserData | undefined {
  try {
    const userData = AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData
    return userData === undefined ? undefined : (JSON.parse(userData.toString()) as UserData)
  } catch {
    // Another program is in the group; it has no name for us.
    return undefined
  }
}
