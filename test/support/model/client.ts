import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { ModelCluster } from './cluster.ts'
import type { CoordinatorAnswer } from './coordinator.ts'
import { modelFailure } from './kafka-errors.ts'
import { type Answer, ModelConnection, type NetworkFaults } from './network.ts'
import type { ModelPartition } from './partition.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'

const REQUEST_TIMEOUT_MS = 2_000
const RETRY_FOR_MS = 3_000
const RETRY_BACKOFF_MS = 25
/** After a longer pause all connections are dropped before anything is sent (exactly-once.md 2.6). */
const PAUSE_LIMIT_MS = 30_000

/** How one process of the gateway reaches the modelled cluster: its connections, and what a client retries by itself. */
export class ModelClient {
  readonly process: SimulatedProcess
  readonly cluster: ModelCluster
  readonly #random: Random
  readonly #faults: () => NetworkFaults
  readonly #coordinatorConnection: ModelConnection
  readonly #readConnection: ModelConnection

  constructor(process: SimulatedProcess, cluster: ModelCluster, random: Random, faults: () => NetworkFaults) {
    this.process = process
    this.cluster = cluster
    this.#random = random
    this.#faults = faults
    this.#coordinatorConnection = this.connect()
    this.#readConnection = this.connect()
  }

  connect(): ModelConnection {
    const connection = new ModelConnection(this.process, this.cluster.time, this.#random, this.#faults)
    this.process.onDeath(() => connection.close())
    this.process.onResume(stoppedMs => {
      if (stoppedMs > PAUSE_LIMIT_MS) connection.close()
    })
    return connection
  }

  /** A request to the transaction coordinator, retried for a few seconds while it is refused for now. */
  coordinate<T>(what: string, serve: () => CoordinatorAnswer<T>): Promise<T> {
    return this.retrying(() =>
      this.#coordinatorConnection.request<T>(REQUEST_TIMEOUT_MS, answer => {
        const given = serve()
        answer(given.kind === 'ok' ? given : { kind: 'failure', failure: modelFailure(given.code, what) })
      }),
    )
  }

  /** A request to a partition's leader that changes nothing, retried likewise. */
  ask<T>(
    topic: string,
    partition: number,
    what: string,
    serve: (at: ModelPartition, answer: (given: Answer<T>) => void) => void,
    waitMs = 0,
  ): Promise<T> {
    return this.retrying(() =>
      this.#readConnection.request<T>(REQUEST_TIMEOUT_MS + waitMs, answer => {
        const at = this.cluster.partition(topic, partition)
        if (at === undefined) answer({ kind: 'failure', failure: modelFailure('UNKNOWN_TOPIC_OR_PARTITION', what) })
        else if (at.leader < 0) answer({ kind: 'failure', failure: modelFailure('NOT_LEADER_OR_FOLLOWER', what) })
        else serve(at, answer)
      }),
    )
  }

  async retrying<T>(attempt: () => Promise<T>): Promise<T> {
    const { clock } = this.process
    const deadlineMs = clock.monotonicMs() + RETRY_FOR_MS
    for (;;) {
      try {
        return await attempt()
      } catch (failure) {
        if (!(failure instanceof KafkaFailure) || failure.kind !== 'retriable' || clock.monotonicMs() > deadlineMs)
          throw failure
      }
      await clock.sleep(RETRY_BACKOFF_MS * (0.5 + this.#random.next()))
    }
  }
}
