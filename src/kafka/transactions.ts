import { crc32 } from 'node:zlib'
import { addPartitionsToTxnV3, describeTransactionsV0, endTxnV3, initProducerIdV4 } from '@platformatic/kafka'
import { call } from './call.ts'
import { CONTROL, type KafkaCluster } from './cluster.ts'
import { errorName, failureFor } from './error-table.ts'
import { retry } from './retry.ts'
import type { ProducerIdentity, TopicPartition, TransactionState } from './types.ts'

/** How long one operation is repeated while coordinators load or move, or the previous transaction is being completed. */
const WITHIN_MS = 5_000
/** A broker serves one request per connection at a time: the ids are spread over so many, each id always on the same one (F20). */
const CONNECTIONS_PER_BROKER = 16
/** "Give me the next epoch of this id", whoever had it before (KIP-360 sends the own pair instead). */
const ANY_PRODUCER_ID = -1n
const ANY_PRODUCER_EPOCH = -1

/** The requests of the fence (exactly-once.md 2), always in versions that do not bump an epoch on their own (F7). */
export class Transactions {
  private readonly cluster: KafkaCluster

  constructor(cluster: KafkaCluster) {
    this.cluster = cluster
  }

  /** The same id gets the next epoch (F5). Repeating it after a lost answer costs one more epoch and nothing else. */
  initProducerId(transactionalId: string, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    const { api } = initProducerIdV4
    return this.atCoordinator(transactionalId, purposeOf(transactionalId), async connection => {
      const answer = await call(
        connection,
        api,
        transactionalId,
        transactionTimeoutMs,
        ANY_PRODUCER_ID,
        ANY_PRODUCER_EPOCH,
      )
      if (answer.errorCode !== 0) throw failureFor(answer.errorCode, `InitProducerId of ${transactionalId}`)
      return { producerId: Number(answer.producerId), producerEpoch: answer.producerEpoch }
    })
  }

  async addPartitions(
    transactionalId: string,
    identity: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const topics = [...Map.groupBy(partitions, p => p.topic)].map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(p => p.partition),
    }))
    const { producerEpoch } = identity
    const transaction = {
      transactionalId,
      producerId: BigInt(identity.producerId),
      producerEpoch,
      verifyOnly: false,
      topics,
    }
    await this.atCoordinator(transactionalId, purposeOf(transactionalId), async connection => {
      const answer = await call(connection, addPartitionsToTxnV3.api, [transaction])
      const results = answer.resultsByTransaction.flatMap(t =>
        t.topicResults.flatMap(topic => topic.resultsByPartition),
      )
      // One cause for all: where one partition is refused, the others answer OPERATION_NOT_ATTEMPTED.
      const errors = results.map(result => result.partitionErrorCode).filter(errorCode => errorCode !== 0)
      const first = errors.find(errorCode => errorName(errorCode) !== 'OPERATION_NOT_ATTEMPTED') ?? errors[0]
      if (first !== undefined) throw failureFor(first, `AddPartitionsToTxn of ${transactionalId}`)
    })
  }

  /** Resolves when the coordinator has decided; the marker may not be in the log yet (F4). */
  async endTxn(transactionalId: string, identity: ProducerIdentity, commit: boolean): Promise<void> {
    const { producerId, producerEpoch } = identity
    await this.atCoordinator(transactionalId, purposeOf(transactionalId), async connection => {
      const answer = await call(connection, endTxnV3.api, transactionalId, BigInt(producerId), producerEpoch, commit)
      if (answer.errorCode !== 0) throw failureFor(answer.errorCode, `EndTxn of ${transactionalId}`)
    })
  }

  /** undefined: the coordinator does not know the id. */
  describe(transactionalId: string): Promise<TransactionState | undefined> {
    return this.atCoordinator(transactionalId, CONTROL, async connection => {
      const answer = await call(connection, describeTransactionsV0.api, [transactionalId])
      const state = answer.transactionStates[0]
      const errorCode = state?.errorCode ?? -1
      if (errorName(errorCode) === 'TRANSACTIONAL_ID_NOT_FOUND') return undefined
      if (state === undefined || errorCode !== 0)
        throw failureFor(errorCode, `DescribeTransactions of ${transactionalId}`)
      return {
        producerId: Number(state.producerId),
        producerEpoch: state.producerEpoch,
        state: state.transactionState,
      }
    })
  }

  private atCoordinator<T>(
    transactionalId: string,
    purpose: string,
    attempt: (connection: Awaited<ReturnType<KafkaCluster['connection']>>) => Promise<T>,
  ): Promise<T> {
    const refresh = () => this.cluster.coordinators.forget('transaction', transactionalId)
    return retry({ withinMs: WITHIN_MS, repeatable: true, refresh }, async () =>
      attempt(await this.cluster.coordinator('transaction', transactionalId, purpose)),
    )
  }
}

function purposeOf(transactionalId: string): string {
  return `transactions-${crc32(transactionalId) % CONNECTIONS_PER_BROKER}`
}
