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
/** So many heartbeats in one session time-out. */
const HEARTBEATS_PER_SESSION = 4
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
  private readonly assignedListeners: ((partitions: ReadonlySet<number>) => void)[] = []
  private assigned: ReadonlySet<number> = new Set()
  private confirmedMs = Number.NEGATIVE_INFINITY
  private consumer: Consumer | undefined
  private restart: NodeJS.Timeout | undefined
  private stopped = false

  constructor(cluster: KafkaCluster, options: MembershipOptions) {
    this.cluster = cluster
    this.options = options
  }

  /** All partitions that are ours now, at every rebalance, and again when the group confirms us after a loss. */
  onAssigned(listener: (partitions: ReadonlySet<number>) => void): void {
    this.assignedListeners.push(listener)
  }

  /** When the group last confirmed us, on the monotonic clock (performance.now); -Infinity: never. */
  lastConfirmedMonotonicMs(): number {
    return this.confirmedMs
  }

  /** Begins to join; does not wait for it. Joins again by itself, whatever happens. */
  async start(): Promise<void> {
    void this.join()
  }

  /** Leaves the group, so that the others go on at once. */
  async stop(): Promise<void> {
    this.stopped = true
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
      heartbeatInterval: Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION),
      maxWaitTimeInMs: MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      partitionAssigners: [this.assigner()],
    })
    this.consumer = consumer
    consumer.on('consumer.group_join', event => {
      // Before the first fetch: nothing of the topic is ever read.
      consumer.pause([{ topic }])
      this.confirmed(new Set(event.payload.memberAssignment[topic] ?? []))
    })
    consumer.on('consumer.heartbeat', () => this.confirmed(undefined))
    consumer.on('consumer.crash', ({ payload }) => {
      if (payload.restart) return
      log('warn', 'the group membership ended and begins again', { groupId, error: payload.error.message })
      this.joinAgain(consumer)
    })
    try {
      await consumer.connect()
      await consumer.subscribe({ topic })
      await consumer.run({ autoCommit: false, eachBatch: async () => {} })
    } catch (error) {
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
    if (assigned !== undefined) this.assigned = assigned
    else if (!wasLost) return
    for (const listener of this.assignedListeners) listener(this.assigned)
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
        const count = cluster.findTopicPartitionMetadata(topic).length
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
