import { beforeEach, describe, expect, test } from 'vitest'
import { meaningOf } from '../../../src/kafka/error-table.ts'
import { buildBatch } from '../../../src/record/build-batch.ts'
import { stampBatch } from '../../support/model/batch-bytes.ts'
import { CALM_CLUSTER, type ClusterOptions, ModelCluster } from '../../support/model/cluster.ts'
import { MODEL_ERRORS } from '../../support/model/kafka-errors.ts'
import type { ModelPartition, ProduceOutcome } from '../../support/model/partition.ts'
import { seededRandom } from '../../support/model/random.ts'
import { SIMULATION_EPOCH_MS, VirtualTime } from '../../support/model/virtual-time.ts'

/** The modelled broker obeys the facts that were measured on live ones (exactly-once.md 1). */

const ID = 'isthmus.eu.orders.0.0'
const WAIT_MS = 100

let time: VirtualTime
let cluster: ModelCluster
let at: ModelPartition

function start(options: Partial<ClusterOptions> = {}): void {
  time = new VirtualTime()
  cluster = new ModelCluster(time, seededRandom(1), { ...CALM_CLUSTER, ...options })
  at = cluster.createTopic('orders', 1).partitions[0]!
}

function produce(
  epoch: number,
  firstSequence: number,
  count = 1,
  more: { ageMs?: number; transactional?: boolean } = {},
): ProduceOutcome {
  const timestampMs = SIMULATION_EPOCH_MS + time.nowMs - (more.ageMs ?? 0)
  const records = Array.from({ length: count }, () => ({
    timestampMs,
    key: null,
    value: Buffer.from('x'),
    headers: [],
  }))
  const stamp = { producerId: 1000, producerEpoch: epoch, firstSequence, transactional: more.transactional ?? false }
  const outcome = at.produce(stampBatch(buildBatch(records), stamp), facts =>
    cluster.coordinator.isOngoing(facts.producerId, facts.producerEpoch, at),
  )
  if (outcome.kind === 'stored') cluster.appended(at)
  return outcome
}

const wait = (ms = WAIT_MS) => {
  const untilMs = time.nowMs + ms
  time.after(ms, () => {})
  return time.run(() => time.nowMs >= untilMs, untilMs)
}

function init(): number {
  const answer = cluster.coordinator.initProducerId(ID, 10_000)
  if (answer.kind === 'error') throw new Error(answer.code)
  return answer.value.producerEpoch
}

async function fence(): Promise<number> {
  const epoch = init()
  expect(cluster.coordinator.addPartitions(ID, 1000, epoch, [at]).kind).toBe('ok')
  expect(cluster.coordinator.endTxn(ID, 1000, epoch, false).kind).toBe('ok')
  await wait()
  return epoch
}

const refusal = (outcome: ProduceOutcome) => (outcome.kind === 'refused' ? outcome.code : outcome.kind)

beforeEach(() => start())

describe('sequences and epochs', () => {
  test('F1: sequences follow on, a new epoch starts at 0, a repeat gets its first offset whatever it contains', () => {
    expect(produce(0, 0, 2)).toMatchObject({ kind: 'stored', baseOffset: 0 })
    expect(produce(0, 2)).toMatchObject({ kind: 'stored', baseOffset: 2 })
    expect(refusal(produce(0, 4))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(produce(0, 0, 2)).toMatchObject({ kind: 'stored', baseOffset: 0, repeat: true })
    expect(refusal(produce(1, 3))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(produce(1, 0)).toMatchObject({ kind: 'stored', baseOffset: 3 })
    expect(refusal(produce(0, 3))).toBe('INVALID_PRODUCER_EPOCH')
  })

  test('F1: a repeat of the sixth last batch is not recognised', () => {
    for (let sequence = 0; sequence < 6; sequence++) produce(0, sequence)
    expect(produce(0, 1)).toMatchObject({ repeat: true })
    expect(refusal(produce(0, 0))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  test('F2: InitProducerId alone fences nothing', () => {
    const old = init()
    produce(old, 0)
    init()
    expect(produce(old, 1).kind).toBe('stored')
  })

  test('F3: the marker of an empty aborted transaction does', async () => {
    const old = init()
    produce(old, 0)
    const epoch = await fence()
    expect(refusal(produce(old, 1))).toBe('INVALID_PRODUCER_EPOCH')
    expect(refusal(produce(epoch, 1))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(produce(epoch, 0).kind).toBe('stored')
  })

  test('F4: EndTxn answers before the marker is there; without a leader the marker is dropped', async () => {
    const old = init()
    const epoch = init()
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    cluster.failOver(at, 2 * WAIT_MS)
    expect(cluster.coordinator.endTxn(ID, 1000, epoch, false).kind).toBe('ok')
    await wait(3 * WAIT_MS)
    expect(at.log).toHaveLength(0)
    expect(produce(old, 0).kind).toBe('stored')
  })

  test('F5, F8: the same id gives the same producerId with the next epoch, and the old one may add nothing', () => {
    const old = init()
    expect(init()).toBe(old + 1)
    expect(cluster.coordinator.addPartitions(ID, 1000, old, [at])).toEqual({ kind: 'error', code: 'PRODUCER_FENCED' })
  })

  test('F7: an empty transaction in the running epoch keeps the sequence', async () => {
    const epoch = await fence()
    produce(epoch, 0)
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    cluster.coordinator.endTxn(ID, 1000, epoch, true)
    produce(epoch, 1)
    await wait()
    expect(produce(epoch, 2).kind).toBe('stored')
  })
})

describe('what a partition forgets', () => {
  test('F9: state expires by the time of the data: a repeat is stored twice, a fenced epoch comes back', async () => {
    start({ producerIdExpirationMs: 1_000 })
    cluster.startExpiry()
    const old = init()
    const epoch = await fence()
    produce(epoch, 0, 1, { ageMs: 5_000 })
    await wait()
    expect(produce(epoch, 0, 1, { ageMs: 5_000 })).toMatchObject({ kind: 'stored', repeat: false })
    await wait()
    expect(produce(old, 7).kind).toBe('stored')
  })

  test('F11: inside an open transaction it does not', async () => {
    start({ producerIdExpirationMs: 1_000 })
    cluster.startExpiry()
    const epoch = await fence()
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    expect(produce(epoch, 0, 1, { ageMs: 5_000, transactional: true }).kind).toBe('stored')
    await wait()
    expect(refusal(produce(epoch - 1, 0, 1, { transactional: true }))).not.toBe('stored')
  })

  test('F10, F12: a forgotten or used-up id gets another producerId', async () => {
    start({ coordinator: { idExpirationMs: 1_000, firstEpoch: 0, lastEpoch: 3 } })
    for (let epoch = 0; epoch <= 3; epoch++) expect(init()).toBe(epoch)
    expect(cluster.coordinator.initProducerId(ID, 1)).toMatchObject({ value: { producerId: 1001, producerEpoch: 0 } })
    await wait(2_000)
    expect(cluster.coordinator.describe(ID)).toBeUndefined()
    expect(cluster.coordinator.initProducerId(ID, 1)).toMatchObject({ value: { producerId: 1002, producerEpoch: 0 } })
  })

  test('F13: without state any sequence of any epoch is taken', async () => {
    const epoch = await fence()
    produce(epoch, 0)
    await wait()
    cluster.failOverUnclean(at, 1, 0)
    await wait()
    expect(at.endOffset).toBe(0)
    expect(produce(epoch - 1, 5).kind).toBe('stored')
  })

  test('a new leader recognises repeats of the last batch only', async () => {
    const epoch = await fence()
    produce(epoch, 0)
    produce(epoch, 1)
    await wait()
    cluster.failOver(at, 1)
    await wait()
    expect(produce(epoch, 1)).toMatchObject({ repeat: true })
    expect(refusal(produce(epoch, 0))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  test('what was not yet readable may go with its leader, and the sequence falls back with it', () => {
    produce(0, 0)
    const before = at.endOffset
    at.elect(0)
    expect([before, at.endOffset]).toEqual([1, 0])
    expect(produce(0, 0)).toMatchObject({ kind: 'stored', repeat: false })
  })
})

describe('transactions', () => {
  test('F14: a second copy of a marker closes a transaction of the same epoch, and is refused by a later one', async () => {
    start({ markers: { ...CALM_CLUSTER.markers, repeatChance: 1, repeatMaxDelayMs: 5_000 } })
    const epoch = await fence()
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    produce(epoch, 0, 1, { transactional: true })
    expect(at.producers.get(1000)!.txnStartOffset).toBeGreaterThan(0)
    expect(at.writeMarker(1000, epoch, false, 0)).toBe(true)
    expect(at.producers.get(1000)!.txnStartOffset).toBe(-1)
    expect(at.producers.acceptsMarker(1000, epoch - 1)).toBe(false)
  })

  test('F15: below min ISR a marker hangs, and the id answers CONCURRENT_TRANSACTIONS until it heals', async () => {
    const epoch = init()
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    at.belowMinIsr = true
    cluster.coordinator.endTxn(ID, 1000, epoch, false)
    await wait()
    expect(cluster.coordinator.initProducerId(ID, 1)).toEqual({ kind: 'error', code: 'CONCURRENT_TRANSACTIONS' })
    at.belowMinIsr = false
    await wait()
    expect(cluster.coordinator.initProducerId(ID, 1).kind).toBe('ok')
  })

  test('F17, F18: plain batches are refused in a transaction, transactional ones outside of it', async () => {
    const epoch = await fence()
    expect(refusal(produce(epoch, 0, 1, { transactional: true }))).toBe('INVALID_TXN_STATE')
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    expect(produce(epoch, 0, 1, { transactional: true }).kind).toBe('stored')
    expect(refusal(produce(epoch, 1))).toBe('INVALID_TXN_STATE')
    expect(at.lastStableOffset).toBeLessThanOrEqual(1)
    cluster.coordinator.endTxn(ID, 1000, epoch, true)
    expect(refusal(produce(epoch, 1))).toBe('INVALID_TXN_STATE')
    await wait()
    expect(produce(epoch, 1).kind).toBe('stored')
  })

  test('a new owner aborts what the old one left open, and so does the time-out', async () => {
    const epoch = init()
    cluster.coordinator.addPartitions(ID, 1000, epoch, [at])
    produce(epoch, 0, 1, { transactional: true })
    expect(cluster.coordinator.initProducerId(ID, 1).kind).toBe('error')
    await wait()
    expect(at.log.at(-1)).toMatchObject({ commit: false })
    const next = init()
    expect(next).toBe(epoch + 2)
    cluster.coordinator.addPartitions(ID, 1000, next, [at])
    await wait(11_000)
    expect(cluster.coordinator.describe(ID)?.state).toBe('CompleteAbort')
  })
})

test('the model means by each error what the gateway means by it', () => {
  for (const [code, kind] of Object.entries(MODEL_ERRORS)) expect([code, meaningOf(code).kind]).toEqual([code, kind])
})
