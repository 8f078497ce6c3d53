import { setTimeout as sleep } from 'node:timers/promises'
import { comparePartition, type DcCounts, isExact, newCounts } from '../../../deploy/local/compare.ts'
import { LogTail } from '../../../deploy/local/log-tail.ts'
import { startLocal } from '../../../deploy/local/start.ts'
import { partitionKey, type TopicPlan, Traffic } from '../../../deploy/local/traffic.ts'
import type { LocalHandle } from '../../../deploy/local/types.ts'
import { type ClusterTargetLog, KafkaCluster, KafkaFailure, openTargetLog, openTopicAdmin } from '../../kafka/index.ts'
import type { MergedLink } from '../links-merge.ts'
import { currentLinks } from './links.ts'
import { type Act, DEMO_DCS, SCENARIO } from './scenario.ts'
import type { DemoView, Moment } from './view.ts'

export interface DemoOptions {
  readonly dir: string
  readonly forMs: number
  readonly recordsPerSecond: number
  readonly nodes: number
  readonly wanDelayMs: number
}

export interface DemoResult {
  readonly produced: number
  readonly dcs: ReadonlyMap<string, DcCounts>
  readonly exact: boolean
}

const TOPICS: readonly TopicPlan[] = [
  { topic: 'orders', partitions: 4 },
  { topic: 'clicks', partitions: 2 },
]
const SHOW_EVERY_MS = 1_000
const COMPARE_EVERY_MS = 1_000
/** Three times breaker pause, group session and takeover together: what came last has crossed by then. */
const CATCH_UP_LIMIT_MS = 120_000

/** One data center as the demo's applications see it. */
interface Site {
  readonly dc: string
  readonly cluster: KafkaCluster
  readonly log: ClusterTargetLog
  readonly traffic: Traffic
}

/** Starts three data centers, sends traffic, breaks and mends things, compares. Whatever happens, all of it is ended. */
export async function runDemo(options: DemoOptions, view: DemoView): Promise<DemoResult> {
  const { dir, nodes, wanDelayMs } = options
  const onStep = (text: string) => view.event(text)
  const local = await startLocal({ dir, dcs: DEMO_DCS, nodes, wanDelayMs, redis: true, onStep })
  const sites: Site[] = []
  const stage = new Stage(local, sites, view, options.forMs)
  const endBySignal = () => void local.down().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, endBySignal)
  try {
    for (const dc of DEMO_DCS) sites.push(await openSite(dc, local, options.recordsPerSecond))
    await createTopics(sites)
    stage.show()
    await perform(stage, options.forMs)
    return await judge(stage)
  } finally {
    stage.close()
    for (const { log, cluster } of sites) {
      log.close()
      await cluster.close()
    }
    await local.down()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, endBySignal)
  }
}

async function openSite(dc: string, local: LocalHandle, recordsPerSecond: number): Promise<Site> {
  const brokers = local.info().dcs[dc]!.kafka.split(',')
  const cluster = await KafkaCluster.connect({ brokers, clientId: `demo-${dc}` })
  return { dc, cluster, log: openTargetLog(cluster), traffic: new Traffic(dc, cluster, TOPICS, recordsPerSecond) }
}

/** In every data center, before its application writes. A gateway may have been faster in the second and third. */
async function createTopics(sites: readonly Site[]): Promise<void> {
  for (const { cluster } of sites)
    for (const { topic, partitions } of TOPICS)
      await openTopicAdmin(cluster)
        .createTopic({ name: topic, partitions, configs: {} })
        .catch(error => {
          if (!(error instanceof KafkaFailure) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
        })
}

/** What is going on, and showing it every second. */
class Stage {
  readonly local: LocalHandle
  readonly sites: readonly Site[]
  readonly view: DemoView
  phase = 'running'
  readonly broken = new Set<string>()
  private readonly totalMs: number
  private readonly startedMs = performance.now()
  private links: readonly MergedLink[] = []
  private timer: NodeJS.Timeout | undefined

  constructor(local: LocalHandle, sites: readonly Site[], view: DemoView, totalMs: number) {
    this.local = local
    this.sites = sites
    this.view = view
    this.totalMs = totalMs
  }

  get produced(): number {
    return this.sites.reduce((sum, { traffic }) => sum + traffic.ackedCount, 0)
  }

  show(): void {
    const { phase, produced, links, totalMs } = this
    const elapsedMs = performance.now() - this.startedMs
    const moment: Moment = { elapsedMs, totalMs, phase, produced, links, broken: [...this.broken] }
    this.view.moment(moment)
    this.timer = setTimeout(async () => {
      this.links = await currentLinks(this.local.info()).catch(() => this.links)
      if (this.timer !== undefined) this.show()
    }, SHOW_EVERY_MS)
  }

  close(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.view.close()
  }
}

/** Traffic everywhere, and the acts of the scenario at their times, however long the ones before take. */
async function perform(stage: Stage, forMs: number): Promise<void> {
  for (const { traffic } of stage.sites) traffic.start()
  await Promise.all([sleep(forMs), ...SCENARIO.map(act => sleep(act.at * forMs).then(() => play(stage, act)))])
  await Promise.all(stage.sites.map(({ traffic }) => traffic.stop()))
}

async function play(stage: Stage, act: Act): Promise<void> {
  stage.view.event(act.text)
  if (act.breaks !== undefined) stage.broken.add(act.breaks)
  await act.run(stage.local)
  if (act.mends !== undefined) stage.broken.delete(act.mends)
}

/** Compares until everything is exact or the time to catch up is over. */
async function judge(stage: Stage): Promise<DemoResult> {
  stage.phase = 'catching up'
  stage.view.event('producers have stopped; comparing the three clusters record by record')
  const tails = openTails(stage.sites)
  const deadlineMs = performance.now() + CATCH_UP_LIMIT_MS
  for (;;) {
    const dcs = await compare(stage.sites, tails)
    const exact = [...dcs.values()].every(isExact)
    if (exact || performance.now() > deadlineMs) return { produced: stage.produced, dcs, exact }
    await sleep(COMPARE_EVERY_MS)
  }
}

/** Partition key -> data center -> tail. */
type Tails = ReadonlyMap<string, ReadonlyMap<string, LogTail>>

function openTails(sites: readonly Site[]): Tails {
  const tails = new Map<string, Map<string, LogTail>>()
  for (const { topic, partitions } of TOPICS)
    for (let partition = 0; partition < partitions; partition++) {
      const perDc = new Map(sites.map(({ dc, log }) => [dc, new LogTail(log, { topic, partition })]))
      tails.set(partitionKey(topic, partition), perDc)
    }
  return tails
}

async function compare(sites: readonly Site[], tails: Tails): Promise<ReadonlyMap<string, DcCounts>> {
  const counts = newCounts(sites.map(({ dc }) => dc))
  for (const [partition, perDc] of tails) {
    await Promise.all([...perDc.values()].map(tail => tail.advance()))
    const logs = new Map([...perDc].map(([dc, tail]) => [dc, tail.records]))
    const acked = new Map(sites.flatMap(({ traffic }) => [...(traffic.acked.get(partition) ?? [])]))
    comparePartition({ logs, acked }, counts)
  }
  return counts
}
