import { CONTROL, type KafkaCluster } from './cluster.ts'
import type { BrokerConnection } from './connection.ts'
import { KafkaFailure } from './failure.ts'
import type { PartitionMetadata, TopicPartition } from './types.ts'

/** A question about one partition, with what is known of its leader. */
export interface Question extends TopicPartition {
  readonly currentLeaderEpoch: number
}

/** Sends one request for all `questions` (each partition at most once) and gives an answer or failure per question, in order. */
export type Ask<Q, A> = (
  connection: BrokerConnection,
  questions: readonly (Q & Question)[],
) => Promise<readonly (A | KafkaFailure)[]>

interface Waiting<Q, A> {
  readonly question: Q & Question
  readonly resolve: (answer: A) => void
  readonly reject: (error: unknown) => void
}

const MAX_PARTITIONS_PER_REQUEST = 500

/**
 * Questions to partition leaders. What is asked in the same turn of the event loop goes to each leader in one request:
 * a takeover of a thousand partitions is a handful of requests instead of thousands.
 */
export class PartitionQuestions<Q extends TopicPartition, A> {
  private readonly cluster: KafkaCluster
  private readonly ask: Ask<Q, A>
  private waiting = new Map<number, Waiting<Q, A>[]>()

  constructor(cluster: KafkaCluster, ask: Ask<Q, A>) {
    this.cluster = cluster
    this.ask = ask
  }

  /** One attempt at the partition's leader. Rejects with KafkaFailure. */
  async put(question: Q): Promise<A> {
    const leader: PartitionMetadata = await this.cluster.leaderOf(question.topic, question.partition)
    return await new Promise<A>((resolve, reject) => {
      if (this.waiting.size === 0) setImmediate(() => this.flush())
      const one = { question: { ...question, currentLeaderEpoch: leader.leaderEpoch }, resolve, reject }
      const ofLeader = this.waiting.get(leader.leader)
      if (ofLeader === undefined) this.waiting.set(leader.leader, [one])
      else ofLeader.push(one)
    })
  }

  private flush(): void {
    const all = this.waiting
    this.waiting = new Map()
    for (const [leader, waiting] of all) {
      for (let rest = waiting; rest.length > 0; ) {
        const { request, later } = oneRequest(rest)
        void this.askLeader(leader, request)
        rest = later
      }
    }
  }

  private async askLeader(leader: number, waiting: readonly Waiting<Q, A>[]): Promise<void> {
    try {
      const connection = await this.cluster.connection(leader, CONTROL)
      const answers = await this.ask(
        connection,
        waiting.map(one => one.question),
      )
      for (const [index, { resolve, reject }] of waiting.entries()) {
        const answer = answers[index] as A | KafkaFailure
        if (answer instanceof KafkaFailure) reject(answer)
        else resolve(answer)
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}

/** As many as fit into one request, no partition twice: brokers refuse that. */
function oneRequest<Q, A>(waiting: readonly Waiting<Q, A>[]): { request: Waiting<Q, A>[]; later: Waiting<Q, A>[] } {
  const taken = new Set<string>()
  const request: Waiting<Q, A>[] = []
  const later: Waiting<Q, A>[] = []
  for (const one of waiting) {
    const key = `${one.question.topic}/${one.question.partition}`
    if (taken.has(key) || request.length >= MAX_PARTITIONS_PER_REQUEST) later.push(one)
    else {
      taken.add(key)
      request.push(one)
    }
  }
  return { request, later }
}
