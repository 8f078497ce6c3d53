import { describeClusterV0, heartbeatV4, metadataV12 } from '@platformatic/kafka'
import { call } from './call.ts'
import { CONTROL, type KafkaCluster } from './cluster.ts'
import { errorName, failureFor } from './error-table.ts'
import { KafkaFailure } from './failure.ts'
import { retry } from './retry.ts'
import { Transactions } from './transactions.ts'

/** Operations of Kafka's ACLs by their code (AclOperation), which is also their bit in "authorized operations" (KIP-430). */
const OPERATION_BIT = {
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Alter: 7,
  Describe: 8,
  DescribeConfigs: 10,
  AlterConfigs: 11,
  IdempotentWrite: 12,
} as const

export type AclOperation = keyof typeof OPERATION_BIT

const WITHIN_MS = 5_000
/** A group and an id that nobody uses: asking about them changes nothing. */
const NO_MEMBER = 'isthmus-check'
const NO_IDENTITY = { producerId: Number.MAX_SAFE_INTEGER, producerEpoch: 0 }
/** Endpoint type of DescribeCluster; version 0 does not send it. */
const BROKERS = 1
const TOPICS_AT_ONCE = 200

/** What the gateway's own user may do on one cluster. Nothing here changes anything. */
export class Permissions {
  private readonly cluster: KafkaCluster
  private readonly transactions: Transactions

  constructor(cluster: KafkaCluster) {
    this.cluster = cluster
    this.transactions = new Transactions(cluster)
  }

  /** On the cluster itself. */
  async onCluster(): Promise<ReadonlySet<AclOperation>> {
    const answer = await call(await this.cluster.anyConnection(), describeClusterV0.api, true, BROKERS)
    return operationsIn(answer.clusterAuthorizedOperations)
  }

  /** On topics that exist. A topic that may not even be described has an empty set; one that does not exist has none. */
  async onTopics(topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<AclOperation>>> {
    const found = new Map<string, ReadonlySet<AclOperation>>()
    for (let at = 0; at < topics.length; at += TOPICS_AT_ONCE) {
      const some = topics.slice(at, at + TOPICS_AT_ONCE)
      const answer = await call(await this.cluster.anyConnection(), metadataV12.api, some, false, true)
      for (const { name, errorCode, topicAuthorizedOperations } of answer.topics) {
        if (name === null || name === undefined) continue
        if (errorName(errorCode) === 'TOPIC_AUTHORIZATION_FAILED') found.set(name, new Set())
        else if (errorName(errorCode) !== 'UNKNOWN_TOPIC_OR_PARTITION')
          found.set(name, operationsIn(topicAuthorizedOperations))
      }
    }
    return found
  }

  /** Describe and Write on a transactional.id: ends a transaction that does not exist, which is refused either way. */
  mayUseTransactionalId(transactionalId: string): Promise<boolean> {
    return allowed(() => this.transactions.endTxn(transactionalId, NO_IDENTITY, false))
  }

  /** Describe and Read on a group: the heartbeat of a member that does not exist, which is refused either way. */
  mayJoinGroup(group: string): Promise<boolean> {
    const refresh = () => this.cluster.coordinators.forget('group', group)
    return allowed(() =>
      retry({ withinMs: WITHIN_MS, repeatable: true, refresh }, async () => {
        const connection = await this.cluster.coordinator('group', group, CONTROL)
        const answer = await call(connection, heartbeatV4.api, group, 0, NO_MEMBER, null)
        if (answer.errorCode !== 0) throw failureFor(answer.errorCode, `Heartbeat in ${group}`)
      }),
    )
  }
}

/** False only where the broker says that an ACL is missing; rejects where nobody could be asked. */
async function allowed(attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt()
    return true
  } catch (error) {
    if (!(error instanceof KafkaFailure)) throw error
    if (error.kind === 'denied') return false
    if (error.kind === 'fatal' || error.kind === 'fenced') return true
    throw error
  }
}

function operationsIn(bits: number): ReadonlySet<AclOperation> {
  const names = Object.keys(OPERATION_BIT) as AclOperation[]
  return new Set(names.filter(name => (bits & (1 << OPERATION_BIT[name])) !== 0))
}
