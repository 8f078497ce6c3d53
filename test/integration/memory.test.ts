import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { KafkaCluster, openTargetLog } from '../../src/kafka/index.ts'
import { buildBatch } from '../../src/record/build-batch.ts'
import { fence } from '../support/kafka-fence.ts'
import { type LedgerAdmin, ledgerAdmin } from '../support/ledger-admin.ts'
import { testDir } from '../support/ledger-dir.ts'
import { eventually } from '../support/processes.ts'

/** `ISTHMUS_MEMORY_SECONDS=90` for the long form. */
const STALLED_MS = Number(process.env.ISTHMUS_MEMORY_SECONDS ?? 15) * 1_000
const TOPIC = 'memory'
const PARTITIONS = 32
const BATCH_RECORDS = 250
const RECORD_BYTES = 1_000
/** More than the credit of all lanes: what is not bounded would grow on. */
const BACKLOG_BYTES = 300e6

let local: LocalHandle
let admin: LedgerAdmin
beforeAll(async () => {
  local = await startLocal({ dir: testDir('memory'), dcs: ['eu', 'us'], redis: false, include: [TOPIC] })
  admin = await ledgerAdmin(local.info().dcs.eu!.kafka)
})
afterAll(async () => {
  await admin?.close()
  await local?.down()
})

interface Reading {
  /** Heap in use, and what lies outside of it. */
  readonly heldBytes: number
  readonly boundBytes: number
  readonly framesBytes: number
  readonly rssBytes: number
}

async function read(dc: string): Promise<Reading> {
  const { http } = local.info().dcs[dc]!.gateways[0]!
  const text = await (await fetch(`${http}/metrics`)).text()
  const value = (series: string) => {
    const line = text.split('\n').find(each => each.startsWith(`${series} `))
    return Number(line?.slice(series.length + 1) ?? Number.NaN)
  }
  return {
    heldBytes: value('nodejs_heap_size_used_bytes') + value('nodejs_external_memory_bytes'),
    boundBytes: value('isthmus_memory_bound_bytes'),
    framesBytes: value('isthmus_buffered_bytes{kind="frames"}'),
    rssBytes: value('process_resident_memory_bytes'),
  }
}

/** Writes at full speed to every partition, up to `bytes`. */
async function fill(bytes: number): Promise<void> {
  const cluster = await KafkaCluster.connect({ brokers: [local.info().dcs.eu!.kafka], clientId: 'memory' })
  const log = openTargetLog(cluster)
  const topicId = (await log.topicId(TOPIC)) as string
  const value = Buffer.alloc(RECORD_BYTES, 'x')
  const writeOne = async (partition: number) => {
    const at = { topic: TOPIC, partition }
    const transactionalId = `memory-${partition}`
    const { identity, markerOffset } = await fence(log, transactionalId, at)
    const options = {
      ...at,
      topicId,
      identity,
      firstSequence: 0,
      lastKnownOffset: markerOffset,
      transactionalId: undefined,
    }
    const appender = log.openAppender({ ...options, deliveryTimeoutMs: 60_000 })
    for (let written = 0; written < bytes / PARTITIONS; written += BATCH_RECORDS * RECORD_BYTES) {
      const timestampMs = Date.now()
      await appender.append(
        buildBatch(Array.from({ length: BATCH_RECORDS }, () => ({ key: null, value, timestampMs }))),
      )
    }
  }
  await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => writeOne(partition)))
  log.close()
  await cluster.close()
}

test('a source at full speed and a target that stands still cost no more than the bound says, at both ends', async () => {
  await admin.createTopic(TOPIC, PARTITIONS)
  await eventually('every partition runs', 60_000, async () => {
    const { http } = local.info().dcs.us!.gateways[0]!
    const text = await (await fetch(`${http}/metrics`)).text()
    return text.includes(`isthmus_partitions{link="eu->us",state="running"} ${PARTITIONS}`)
  })
  const idle = { eu: await read('eu'), us: await read('us') }
  local.pause('kafka-us-1')
  const filling = fill(BACKLOG_BYTES)
  const most = { eu: { ...idle.eu }, us: { ...idle.us } }
  const endMs = performance.now() + STALLED_MS
  await eventually(
    'the time is over',
    STALLED_MS + 60_000,
    async () => {
      for (const dc of ['eu', 'us'] as const) {
        const now = await read(dc)
        for (const key of Object.keys(now) as (keyof Reading)[]) most[dc][key] = Math.max(most[dc][key], now[key])
      }
      return performance.now() > endMs
    },
    250,
  )
  await filling
  local.resume('kafka-us-1')
  if (process.env.ISTHMUS_MEMORY_SECONDS !== undefined) console.log({ idle, most })
  expect(most.us.framesBytes, 'the lanes were full').toBeGreaterThan(30e6)
  for (const dc of ['eu', 'us'] as const) {
    const grown = most[dc].heldBytes - idle[dc].heldBytes
    expect(grown, dc).toBeLessThan(most[dc].boundBytes)
  }
  const records = Math.ceil(BACKLOG_BYTES / PARTITIONS / (BATCH_RECORDS * RECORD_BYTES)) * BATCH_RECORDS * PARTITIONS
  await eventually('everything arrives once the target goes on', 120_000, async () => {
    const { http } = local.info().dcs.us!.gateways[0]!
    const text = await (await fetch(`${http}/metrics`)).text()
    return text.includes(`isthmus_link_records_in_total{link="eu->us",topic="${TOPIC}"} ${records}`)
  })
}, 600_000)
