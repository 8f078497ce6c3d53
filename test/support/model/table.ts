import type { CompactedTable } from '../../../src/ingest/ports.ts'
import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { Appended } from '../../../src/kafka/types.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { recordsOf, stampBatch } from './batch-bytes.ts'
import type { ModelClient } from './client.ts'
import { modelFailure } from './kafka-errors.ts'
import type { ModelConnection } from './network.ts'
import type { ModelTargetLog } from './target-log.ts'

const PUT_TIMEOUT_MS = 2_000
const PUT_BACKOFF_MS = 20
const READ_BYTES = 1024 * 1024

export interface TableOptions<V> {
  readonly topic: string
  encode(value: V): Buffer
  decode(value: Buffer, key: string): V
  changed(key: string, value: V | null): void
}

/**
 * `CompactedTable` of one process over one modelled partition. Plain produce without a producer: what is repeated after a
 * lost answer may stand twice, and a late packet may bring an old value back. Readers must live with both.
 */
export class ModelTable<V> implements CompactedTable<V> {
  readonly #client: ModelClient
  readonly #log: ModelTargetLog
  readonly #options: TableOptions<V>
  readonly #connection: ModelConnection
  readonly #values = new Map<string, V>()
  #readTo = 0
  #catchingUp: Promise<void> | undefined

  constructor(client: ModelClient, log: ModelTargetLog, options: TableOptions<V>) {
    this.#client = client
    this.#log = log
    this.#options = options
    this.#connection = client.connect()
  }

  get(key: string): V | undefined {
    return this.#values.get(key)
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries()
  }

  async put(key: string, value: V | null): Promise<Appended> {
    const { clock } = this.#client.process
    const record = {
      timestampMs: clock.nowMs(),
      key: Buffer.from(key),
      value: value === null ? null : this.#options.encode(value),
      headers: [],
    }
    const nobody = { producerId: -1, producerEpoch: -1, firstSequence: -1, transactional: false }
    const bytes = stampBatch(buildBatch([record]), nobody)
    for (;;) {
      try {
        return await this.#produce(bytes)
      } catch (failure) {
        const again = failure instanceof KafkaFailure && (failure.kind === 'retriable' || failure.kind === 'ambiguous')
        if (!again) throw failure
      }
      await clock.sleep(PUT_BACKOFF_MS)
    }
  }

  catchUp(): Promise<void> {
    // one that is under way may have asked for the end too early
    this.#catchingUp = (this.#catchingUp ?? Promise.resolve()).catch(() => {}).then(() => this.#readToEnd())
    return this.#catchingUp
  }

  async #readToEnd(): Promise<void> {
    const place = { topic: this.#options.topic, partition: 0 }
    const { endOffset } = await this.#log.offsets(place)
    while (this.#readTo < endOffset) {
      const { records } = await this.#log.read(place, this.#readTo, READ_BYTES, 100)
      for (let at = 0; at < records.length; ) {
        const bytes = records.subarray(at, at + records.readInt32BE(at + 8) + 12)
        this.#take(bytes)
        at += bytes.length
      }
    }
  }

  #take(bytes: Buffer): void {
    const control = (bytes.readInt16BE(21) & 0x20) !== 0
    for (const { offset, key, value } of recordsOf(bytes)) {
      if (offset < this.#readTo) continue
      this.#readTo = offset + 1
      if (control || key === null) continue
      const name = key.toString()
      const decoded = value === null ? null : this.#options.decode(value, name)
      if (decoded === null) this.#values.delete(name)
      else this.#values.set(name, decoded)
      this.#options.changed(name, decoded)
    }
  }

  #produce(bytes: Buffer): Promise<Appended> {
    const { topic } = this.#options
    const { cluster } = this.#client
    return this.#connection.request<Appended>(PUT_TIMEOUT_MS, answer => {
      const at = cluster.partition(topic, 0)
      const outcome = at?.produce(bytes, () => false)
      if (at === undefined || outcome === undefined || outcome.kind === 'refused') {
        const code = outcome?.kind === 'refused' ? outcome.code : 'UNKNOWN_TOPIC_OR_PARTITION'
        answer({ kind: 'failure', failure: modelFailure(code, `Produce ${topic}`) })
        return
      }
      cluster.appended(at)
      const { baseOffset, leaderEpoch } = outcome
      const whenReadable = (): void => {
        if (at.leaderEpoch !== leaderEpoch || at.leader < 0)
          answer({ kind: 'failure', failure: modelFailure('NOT_LEADER_OR_FOLLOWER', `Produce ${topic}`) })
        else if (at.highWatermark > baseOffset)
          answer({ kind: 'ok', value: { baseOffset, leaderEpoch, lastSequence: -1 } })
        else at.onceChanged(whenReadable)
      }
      whenReadable()
    })
  }
}
