import { KafkaCluster } from '../../src/kafka/cluster.ts'
import { type ClusterTargetLog, openTargetLog } from '../../src/kafka/target-log.ts'
import type { TopicPartition } from '../../src/kafka/types.ts'
import { batchEnd, isControl } from '../../src/record/batch.ts'
import { buildBatch } from '../../src/record/build-batch.ts'
import { iterateRecords } from '../../src/record/records.ts'
import { openLedgerWriter } from '../support/ledger-producer.ts'
import { seededRandom } from '../support/ledger-random.ts'
import { eventually } from '../support/processes.ts'
import { userActionEvent } from './events.ts'
import { round } from './flow.ts'

/** Records a second, one batch each, no linger: what a quiet topic looks like. */
export const LATENCY_RATE = 200
const WARM_UP_RECORDS = 5 * LATENCY_RATE
const READ_BYTES = 1 << 20
const READ_WAIT_MS = 500
const ARRIVAL_DEADLINE_MS = 120_000
/** Appends outstanding; the appender takes 32. */
const MAX_IN_FLIGHT = 24
const WRITER_ID = 'bench.latency'

export interface LatencyMeasurement {
  readonly records: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

export interface LatencyProbe {
  /** From just before the produce request to the moment the record is read at `readAt`, both in this process. */
  readonly writeAt: string
  readonly readAt: string
  readonly topic: string
  readonly targetTopic: string
  readonly seconds: number
}

/** Time from produce to visible for a reader at the target, in partition 0. */
export async function measureLatency(probe: LatencyProbe): Promise<LatencyMeasurement> {
  const source = await KafkaCluster.connect({ brokers: [probe.writeAt], clientId: 'bench-writer' })
  const target = await KafkaCluster.connect({ brokers: [probe.readAt], clientId: 'bench-reader' })
  const writer = openTargetLog(source)
  const reader = openTargetLog(target)
  try {
    const total = WARM_UP_RECORDS + probe.seconds * LATENCY_RATE
    const sentMs = new Float64Array(total)
    const tookMs = new Float64Array(total).fill(Number.NaN)
    const firstArrived = Promise.withResolvers<void>()
    const reading = read(reader, { topic: probe.targetTopic, partition: 0 }, total, (sequence, atMs) => {
      tookMs[sequence] = atMs - sentMs[sequence]!
      firstArrived.resolve()
    })
    const writing = write(writer, { topic: probe.topic, partition: 0 }, sentMs, firstArrived.promise)
    await Promise.race([reading, writing])
    await Promise.all([reading, writing])
    const sorted = tookMs.slice(WARM_UP_RECORDS).sort()
    const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!, 2)
    return { records: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) }
  } finally {
    for (const log of [writer, reader]) log.close()
    for (const cluster of [source, target]) await cluster.close()
  }
}

/** One record every 5 ms; how many are on their way does not matter to the clock. */
async function write(
  log: ClusterTargetLog,
  at: TopicPartition,
  sentMs: Float64Array,
  flows: Promise<void>,
): Promise<void> {
  const appender = await openLedgerWriter(log, WRITER_ID, at)
  const random = seededRandom(1)
  const acked: Promise<unknown>[] = []
  let startMs = 0
  for (let sequence = 0; sequence < sentMs.length; sequence++) {
    // The clock starts when the first record has come through: how long a system takes to start is not asked here.
    if (sequence === 1) {
      await flows
      startMs = performance.now()
    }
    const waitMs = startMs + (sequence * 1_000) / LATENCY_RATE - performance.now()
    if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs))
    const key = Buffer.alloc(4)
    key.writeInt32BE(sequence)
    const record = { key, value: Buffer.from(userActionEvent(random)), timestampMs: Date.now() }
    sentMs[sequence] = performance.now()
    // A broker that stands still is waited for on the record's clock.
    while (appender.inFlight >= MAX_IN_FLIGHT) await acked.at(-MAX_IN_FLIGHT)
    acked.push(appender.append(buildBatch([record])))
  }
  await Promise.all(acked)
  appender.close()
}

async function read(
  log: ClusterTargetLog,
  at: TopicPartition,
  total: number,
  arrived: (sequence: number, atMs: number) => void,
): Promise<void> {
  await eventually(`${at.topic} exists at the target`, ARRIVAL_DEADLINE_MS, () => log.topicId(at.topic))
  const deadlineMs = performance.now() + ARRIVAL_DEADLINE_MS
  let next = 0
  for (let seen = 0; seen < total; ) {
    if (performance.now() > deadlineMs)
      throw new Error(`${seen} of ${total} records arrived in ${ARRIVAL_DEADLINE_MS} ms`)
    const { records, release } = await log.read(at, next, READ_BYTES, READ_WAIT_MS)
    const atMs = performance.now()
    for (let start = 0, end = batchEnd(records, 0); end > 0; start = end, end = batchEnd(records, end)) {
      const batch = records.subarray(start, end)
      for (const { offset, key } of iterateRecords(batch)) {
        if (offset < next) continue
        next = offset + 1
        if (isControl(batch)) continue
        arrived(key!.readInt32BE(), atMs)
        seen++
      }
    }
    release()
  }
}
