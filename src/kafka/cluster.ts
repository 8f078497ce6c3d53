import { GatewayError, messageOf } from '../errors.ts'
import type { ClusterConfig } from './cluster-config.ts'
import type { BrokerAddress, BrokerConnection } from './connection.ts'
import { ConnectionPool } from './connection-pool.ts'
import { Coordinators } from './coordinators.ts'
import { KafkaFailure } from './failure.ts'
import { type ClusterView, MetadataCache } from './metadata.ts'
import { PauseGuard } from './pause-guard.ts'
import type { PartitionMetadata, TopicMetadata } from './types.ts'

/** Connection for what is answered at once: metadata, coordinators, offsets, states. */
export const CONTROL = 'control'
/** Where `connect` gives up when no bootstrap broker answers. */
const CONNECT_DEADLINE_MS = 15_000
const CONNECT_RETRY_MS = 250

/**
 * One Kafka cluster: its id, brokers, connections, metadata and coordinators. Everything in this room runs on one of
 * these. Safe to share; `close` ends all of it.
 */
export class KafkaCluster {
  readonly config: ClusterConfig
  readonly guard: PauseGuard
  readonly metadata: MetadataCache
  readonly coordinators: Coordinators
  private readonly pool: ConnectionPool
  private view: ClusterView = { clusterId: '', controllerId: -1, brokers: [] }
  private closed = false

  private constructor(config: ClusterConfig) {
    this.config = config
    this.guard = new PauseGuard()
    this.pool = new ConnectionPool(config, this.guard)
    const connect = () => this.anyConnection()
    this.metadata = new MetadataCache(connect, view => this.seen(view))
    this.coordinators = new Coordinators(connect)
    this.guard.onTick(nowMs => this.metadata.tick(nowMs))
  }

  /**
   * Connects through the first bootstrap broker that answers, trying for 15 s.
   * Rejects with GatewayError CLUSTER_UNREACHABLE (no answer), ACL_MISSING (credentials) or BROKER_TOO_OLD.
   */
  static async connect(config: ClusterConfig): Promise<KafkaCluster> {
    const cluster = new KafkaCluster(config)
    const deadlineMs = performance.now() + CONNECT_DEADLINE_MS
    for (;;) {
      try {
        await cluster.metadata.view(await cluster.anyConnection())
        return cluster
      } catch (error) {
        if (performance.now() < deadlineMs && error instanceof KafkaFailure && error.kind !== 'denied') {
          await new Promise(resolve => setTimeout(resolve, CONNECT_RETRY_MS))
          continue
        }
        await cluster.close()
        throw connectError(config, error)
      }
    }
  }

  /** The cluster's own id (`cluster.id` of its metadata). */
  get clusterId(): string {
    return this.view.clusterId
  }

  get brokers(): readonly BrokerAddress[] {
    return this.view.brokers
  }

  /** Open connections, for metrics. */
  get openConnections(): number {
    return this.pool.size
  }

  /** Rejects `retriable` when the broker is unknown or does not answer one attempt. */
  async connection(nodeId: number, purpose: string): Promise<BrokerConnection> {
    const address = this.view.brokers.find(broker => broker.nodeId === nodeId)
    if (address === undefined) {
      throw new KafkaFailure('retriable', 'BROKER_NOT_AVAILABLE', `broker ${nodeId} is not in the cluster`, {
        refresh: true,
      })
    }
    return await this.pool.get(address, purpose)
  }

  /** A control connection to whichever broker answers: an open one first, then every known broker, then the bootstrap list. */
  async anyConnection(): Promise<BrokerConnection> {
    if (this.closed) throw new KafkaFailure('retriable', 'CONNECTION_LOST', 'the cluster connection is closed')
    const candidates = [...this.view.brokers, ...bootstrapAddresses(this.config.brokers)]
    for (const address of candidates) {
      const open = this.pool.peek(address, CONTROL)
      if (open !== undefined) return open
    }
    const failures: unknown[] = []
    for (const address of candidates) {
      try {
        return await this.pool.get(address, CONTROL)
      } catch (error) {
        failures.push(error)
      }
    }
    throw (
      failures.find(error => error instanceof GatewayError || (error as KafkaFailure).kind === 'denied') ?? failures[0]
    )
  }

  /** The broker that takes admin requests; in KRaft any broker forwards them. */
  async controllerConnection(): Promise<BrokerConnection> {
    const { controllerId, brokers } = this.view
    if (!brokers.some(broker => broker.nodeId === controllerId)) return await this.anyConnection()
    return await this.connection(controllerId, CONTROL)
  }

  async topic(name: string): Promise<TopicMetadata | undefined> {
    return await this.metadata.topic(name)
  }

  async listTopics(): Promise<readonly TopicMetadata[]> {
    return await this.metadata.all()
  }

  /** The leader as known; looked up when there is none. Rejects `retriable` while the partition has no leader or does not exist. */
  async leaderOf(topic: string, partition: number): Promise<PartitionMetadata> {
    const known = this.metadata.partition(topic, partition)
    if (known !== undefined && known.leader >= 0) return known
    const found = (await this.metadata.refresh(topic))?.partitions[partition]
    if (found === undefined) {
      throw new KafkaFailure('retriable', 'UNKNOWN_TOPIC_OR_PARTITION', `${topic}-${partition} does not exist`, {
        refresh: true,
      })
    }
    if (found.leader < 0) {
      throw new KafkaFailure('retriable', 'LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`, {
        refresh: true,
      })
    }
    return found
  }

  /** Connection to the coordinator of a transactional.id or group. */
  async coordinator(kind: 'transaction' | 'group', key: string, purpose: string): Promise<BrokerConnection> {
    const nodeId = await this.coordinators.find(kind, key)
    return await this.connection(nodeId, purpose)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.pool.close()
    this.guard.close()
  }

  private seen(view: ClusterView): void {
    // A broker that just started may answer with an empty list; the old one is better than none.
    if (view.brokers.length === 0) return
    this.view = view
    this.pool.retain(view.brokers)
  }
}

function bootstrapAddresses(brokers: readonly string[]): BrokerAddress[] {
  return brokers.map((broker, index) => {
    const colon = broker.lastIndexOf(':')
    const host = broker.slice(0, colon).replace(/^\[|\]$/g, '')
    return { nodeId: -1 - index, host, port: Number(broker.slice(colon + 1)) }
  })
}

function connectError(config: ClusterConfig, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const message = messageOf(error)
  if (error instanceof KafkaFailure && error.kind === 'denied') {
    return new GatewayError('ACL_MISSING', 'process', message, {
      cause: error,
      hint: 'Check kafka.sasl: mechanism, user and password.',
    })
  }
  return new GatewayError(
    'CLUSTER_UNREACHABLE',
    'process',
    `none of ${config.brokers.join(', ')} answers: ${message}`,
    {
      cause: error,
      hint: 'Check kafka.brokers, and kafka.tls and kafka.sasl against the listener behind that port.',
    },
  )
}
