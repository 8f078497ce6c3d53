import { readFileSync } from 'node:fs'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { Ledger } from '../support/ledger.ts'
import { testDir } from '../support/ledger-dir.ts'
import { type LedgerCounts, LedgerVerdict } from '../support/ledger-judge.ts'
import { seededRandom } from '../support/ledger-random.ts'
import { commitFault, type GrowingTopics, growingTopics } from './faults.ts'
import { type ChaosOptions, chaosOptions } from './options.ts'
import { type ChaosSite, faultText, ROUND_MS, type ScheduledFault, scheduleRound } from './schedule.ts'

/** `npm run chaos`: rounds of load with random faults, each judged by the ledger. The seed fixes schedule and data. */

const TOPIC = 'chaos.main'
/** Lets everything come back: three times breaker pause, group session and takeover together. */
const VERDICT_MS = 180_000

interface MemoryOfNode {
  firstMb: number
  lastMb: number
  peakMb: number
}

export interface ChaosResult {
  readonly seed: number
  readonly exact: boolean
  readonly rounds: number
  readonly produced: number
  readonly faults: Record<string, number>
  readonly dcs: Record<string, LedgerCounts>
  readonly differences: readonly unknown[]
  readonly memoryMb: Record<string, MemoryOfNode>
}

const options = chaosOptions(process.argv.slice(2))
const say = options.json
  ? () => {}
  : (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`)
process.once('SIGINT', () => process.exit(130))

say(
  `seed ${options.seed}: ${options.minutes} minutes, ${options.dcs}, ${options.nodes} nodes and ${options.brokers} brokers each`,
)
const local = await startLocal({
  dir: options.dir ?? testDir('chaos'),
  dcs: options.dcs,
  nodes: options.nodes,
  brokers: options.brokers,
  kafka: options.kafka,
  redis: false,
  configExtra: { topics: { start: [{ match: '*', from: 'earliest', confirmed: true }] } },
  onStep: say,
})
const result = await run(local, options).finally(() => local.down())
if (options.json) console.log(JSON.stringify(result, null, 2))
else
  say(
    `${result.exact ? 'EXACT' : 'NOT EXACT'}: ${result.produced} records, ${result.rounds} rounds, seed ${result.seed}; logs in ${local.dir}`,
  )
process.exit(result.exact ? 0 : 1)

async function run(local: LocalHandle, { seed, minutes, dcs, rate, ...site }: ChaosOptions): Promise<ChaosResult> {
  const ledger = await Ledger.open(local, { seed })
  const random = seededRandom(seed).fork('faults')
  const total = new LedgerVerdict()
  const faults: Record<string, number> = {}
  const memory: Record<string, MemoryOfNode> = {}
  await ledger.createTopic(TOPIC, 3)
  ledger.addLoad({ topic: TOPIC, partitions: [0, 1, 2], recordsPerSecond: rate, plain: 2, transactional: 3 })
  const topics = growingTopics(ledger, dcs, TOPIC, rate)
  let round = 0
  for (const endMs = performance.now() + minutes * 60_000; performance.now() < endMs && total.exact; round++) {
    const schedule = scheduleRound(random, chaosSite({ ...site, dcs }))
    for (const { fault } of schedule) faults[fault.kind] = (faults[fault.kind] ?? 0) + 1
    await runRound(local, ledger, topics, schedule)
    const verdict = await ledger.verdict(VERDICT_MS)
    total.add(verdict)
    noteMemory(local, memory)
    say(
      `round ${round + 1}: ${verdict.exact ? 'exact' : 'NOT EXACT'}, ${ledger.written} records so far; ${memoryText(memory)}`,
    )
    if (!verdict.exact) say(String(verdict))
    ledger.forget()
  }
  const produced = ledger.written
  await ledger.close()
  const { dcs: counts, differences } = total
  return { seed, exact: total.exact, rounds: round, produced, faults, dcs: counts, differences, memoryMb: memory }
}

/** Load with faults, then everything whole and quiet again. */
async function runRound(
  local: LocalHandle,
  ledger: Ledger,
  topics: GrowingTopics,
  schedule: readonly ScheduledFault[],
): Promise<void> {
  const startMs = performance.now()
  const until = (atMs: number) => new Promise(resolve => setTimeout(resolve, startMs + atMs - performance.now()))
  ledger.startLoad()
  const underway: Promise<void>[] = []
  for (const scheduled of schedule) {
    await until(scheduled.atMs)
    say(`  ${faultText(scheduled)}`)
    const ended = commitFault(local, topics, scheduled)
    ended.catch(() => {}) // looked at below, when all have ended
    underway.push(ended)
  }
  await until(ROUND_MS)
  await Promise.all(underway)
  await ledger.stopLoad()
}

function chaosSite({ dcs, nodes, brokers }: Pick<ChaosOptions, 'dcs' | 'nodes' | 'brokers'>): ChaosSite {
  const numbered = (count: number, name: (dc: string, number: number) => string) =>
    dcs.flatMap(dc => Array.from({ length: count }, (_, index) => name(dc, index + 1)))
  return {
    gateways: numbered(nodes, (dc, number) => `${dc}-${number}`),
    brokers: numbered(brokers, (dc, number) => `kafka-${dc}-${number}`),
    paths: dcs.flatMap(from => dcs.filter(to => to !== from).map(to => `${from}-${to}`)),
  }
}

function noteMemory(local: LocalHandle, memory: Record<string, MemoryOfNode>): void {
  for (const { gateways } of Object.values(local.info().dcs)) {
    for (const { node, pid } of gateways) {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1')
      const nowMb = Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024)
      const known = memory[node]
      memory[node] = { firstMb: known?.firstMb ?? nowMb, lastMb: nowMb, peakMb: Math.max(known?.peakMb ?? 0, nowMb) }
    }
  }
}

function memoryText(memory: Readonly<Record<string, MemoryOfNode>>): string {
  return Object.entries(memory)
    .map(([node, { lastMb }]) => `${node} ${lastMb} MB`)
    .join(', ')
}
