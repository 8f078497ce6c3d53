import { createServer } from 'node:net'
import { testDir } from '../support/ledger-dir.ts'
import { type BenchStage, clearStage, fillTopic, setStage } from './clusters.ts'
import { EVENT_BYTES } from './events.ts'
import { type FlowMeasurement, measureFlow } from './flow.ts'
import { measureIdle } from './idle.ts'
import { isthmus } from './isthmus.ts'
import { LATENCY_RATE, type LatencyMeasurement, measureLatency } from './latency.ts'
import { mirrorMaker } from './mirrormaker.ts'
import { type BenchOptions, benchOptions, type SystemName } from './options.ts'
import { machineText, replicationTable, type SystemFigures, systemFigures } from './report.ts'
import type { RunOptions, SystemUnderTest } from './systems.ts'

/** `npm run bench`: what replication costs, ours and MirrorMaker 2's, on the same brokers, data and cores. */

const EVENTS_TOPIC = 'bench.ev'
const LATENCY_TOPIC = 'bench.latency'
const FLOW_DEADLINE_MS = 15 * 60_000
const LATENCY_SECONDS = 30

const options = benchOptions(process.argv.slice(2))
const say = (text: string) => process.stderr.write(`${text}\n`)
let runNumber = Math.floor(Date.now() / 1_000) % 100_000

const result = await bench(options)
if (options.json) console.log(JSON.stringify(result, null, 2))
else console.log(`\n${textOf(result)}`)
process.exit(0)

interface BenchResult {
  readonly machine: ReturnType<typeof machineText>
  readonly mode: string
  readonly data: Readonly<Record<string, number | string>>
  readonly systems: Readonly<Record<string, SystemFigures | object>>
}

async function bench(options: BenchOptions): Promise<BenchResult> {
  const { mode, records, partitions, rounds, roundTripMs } = options
  const result = (data: BenchResult['data'], systems: BenchResult['systems']) => ({
    machine: machineText(),
    mode,
    data,
    systems,
  })
  switch (mode) {
    case 'replication':
      return await onStage(options, async stage => {
        const flows = await replication(stage, options)
        const latencies = await latency(stage, options)
        const figures = [...flows].map(([name, runs]) => [name, systemFigures(runs, latencies.get(name))] as const)
        const direct = latencies.get('direct')!
        const latencyData = {
          latencyRecordsPerSecond: LATENCY_RATE,
          directP50Ms: direct.p50Ms,
          directP99Ms: direct.p99Ms,
        }
        const data = { records, partitions, recordBytes: EVENT_BYTES, codec: 'lz4', rounds, ...latencyData }
        return result(data, Object.fromEntries(figures))
      })
    case 'latency':
      return await onStage(options, async stage =>
        result(
          { recordsPerSecond: LATENCY_RATE, seconds: LATENCY_SECONDS },
          Object.fromEntries(await latency(stage, options)),
        ),
      )
    case 'distance':
      return await onStage(options, async stage => {
        const flows = await replication(stage, { ...options, systems: ['isthmus'] })
        const data = { records, partitions, recordBytes: EVENT_BYTES, codec: 'lz4', rounds, roundTripMs }
        return result(data, { isthmus: systemFigures(flows.get('isthmus')!, undefined) })
      })
    case 'idle':
      return await onStage(options, async stage =>
        result({ partitions }, { isthmus: await measureIdle(stage, partitions, say) }),
      )
  }
}

async function onStage<T>(options: BenchOptions, act: (stage: BenchStage) => Promise<T>): Promise<T> {
  const profiles = options.profile ? testDir('bench-profiles') : undefined
  const stage = await setStage({
    path: options.mode === 'distance' ? 'through-proxy' : 'straight',
    wanDelayMs: options.mode === 'distance' ? options.roundTripMs : undefined,
    nodeArgs: profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`],
    kafka: options.kafka,
    onStep: say,
  })
  try {
    return await act(stage)
  } finally {
    await stage.close()
    if (profiles !== undefined) say(`CPU profiles: ${profiles}`)
  }
}

function systemOf(name: SystemName, stage: BenchStage): SystemUnderTest {
  switch (name) {
    case 'isthmus':
      return isthmus(stage.local)
    case 'mirrormaker2-tuned':
      return mirrorMaker('tuned')
    case 'mirrormaker2-default':
      return mirrorMaker('default')
    case 'mirrormaker2-exactly-once':
      return mirrorMaker('exactly-once')
  }
}

/** Every system copies the same filled topic in every round, each time from nothing; the order turns round by round. */
async function replication(stage: BenchStage, options: BenchOptions): Promise<Map<string, FlowMeasurement[]>> {
  const { records, partitions, rounds } = options
  say(`filling ${EVENTS_TOPIC}: ${records.toLocaleString('en-US')} events in ${partitions} partitions`)
  await fillTopic(stage, { name: EVENTS_TOPIC, partitions, records }, options.seed)
  const measured = new Map<string, FlowMeasurement[]>(options.systems.map(name => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? options.systems : options.systems.toReversed()
    for (const name of order) {
      const run = await oneRun(stage, systemOf(name, stage), records)
      measured.get(name)!.push(run)
      const { recordsPerSecond, cpuUsPerRecord } = run.full
      say(
        `round ${round + 1}: ${name}: ${recordsPerSecond.toLocaleString('en-US')} records/s, ${cpuUsPerRecord} us CPU a record`,
      )
    }
  }
  return measured
}

async function oneRun(stage: BenchStage, system: SystemUnderTest, records: number): Promise<FlowMeasurement> {
  const running = await system.start(stage.clusters, [EVENTS_TOPIC], await nextRun('throughput'))
  const target = running.targetTopic(EVENTS_TOPIC)
  const flow = { records, recordBytes: EVENT_BYTES, deadlineMs: FLOW_DEADLINE_MS }
  try {
    return await measureFlow(stage.clusters, running, () => stage.targetAdmin.endOffsets(target), flow)
  } finally {
    await running.stop()
    await clearStage(stage, [EVENTS_TOPIC])
  }
}

/** `direct` is the same writer and reader on the source cluster alone: what the brokers and the machine cost. */
async function latency(stage: BenchStage, options: BenchOptions): Promise<Map<string, LatencyMeasurement>> {
  const { source, target } = stage.clusters
  const measured = new Map<string, LatencyMeasurement>()
  const probe = { topic: LATENCY_TOPIC, writeAt: source.bootstrap, seconds: LATENCY_SECONDS }
  for (const name of ['direct', ...options.systems] as const) {
    await stage.sourceAdmin.createTopic(LATENCY_TOPIC, 1)
    if (name === 'direct') {
      measured.set(name, await measureLatency({ ...probe, readAt: source.bootstrap, targetTopic: LATENCY_TOPIC }))
    } else {
      const running = await systemOf(name, stage).start(stage.clusters, [LATENCY_TOPIC], await nextRun('latency'))
      try {
        const targetTopic = running.targetTopic(LATENCY_TOPIC)
        measured.set(name, await measureLatency({ ...probe, readAt: target.bootstrap, targetTopic }))
      } finally {
        await running.stop()
      }
    }
    await clearStage(stage, [])
    const { p50Ms, p99Ms } = measured.get(name)!
    say(`latency: ${name}: p50 ${p50Ms} ms, p99 ${p99Ms} ms`)
  }
  return measured
}

async function nextRun(linger: RunOptions['linger']): Promise<RunOptions> {
  return { number: runNumber++, linger, freePort: await freePort() }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function textOf({ machine, mode, data, systems }: BenchResult): string {
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Node ${machine.node}`
  const what = Object.entries(data)
    .map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`)
    .join(', ')
  const flows = mode === 'replication' || mode === 'distance'
  const table = flows ? replicationTable(systems as Record<string, SystemFigures>) : JSON.stringify(systems, null, 2)
  return `${where}\n${mode}: ${what}\n\n${table}`
}
