import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { startLocal } from '../../deploy/local/start.ts'
import type { LocalHandle } from '../../deploy/local/types.ts'
import { runJava } from '../support/java.ts'
import { type LedgerAdmin, ledgerAdmin } from '../support/ledger-admin.ts'
import { testDir } from '../support/ledger-dir.ts'
import { eventually } from '../support/processes.ts'
import { writePayloadFile } from './events.ts'
import type { BenchClusters } from './systems.ts'

export const SOURCE_DC = 'eu'
export const TARGET_DC = 'us'
/** Gateways' paths: straight, as MirrorMaker 2 has it, or through the proxy that adds distance. */
export type GatewayPath = 'straight' | 'through-proxy'

export interface BenchStage {
  readonly clusters: BenchClusters
  readonly local: LocalHandle
  readonly sourceAdmin: LedgerAdmin
  readonly targetAdmin: LedgerAdmin
  close(): Promise<void>
}

export interface StageOptions {
  readonly wanDelayMs?: number
  readonly path: GatewayPath
  readonly nodeArgs?: readonly string[]
  readonly kafka?: string
  readonly onStep: (text: string) => void
}

/** Two clusters of one broker each, and a gateway beside each that is configured and not started. */
export async function setStage(options: StageOptions): Promise<BenchStage> {
  const dir = testDir('bench')
  const local = await startLocal({
    dir,
    dcs: [SOURCE_DC, TARGET_DC],
    gateways: 'prepared',
    redis: false,
    kafka: options.kafka,
    wanDelayMs: options.wanDelayMs,
    nodeArgs: options.nodeArgs,
    // One way: the source's gateway serves, the target's fetches.
    configExtra: dc => (dc === SOURCE_DC ? { topics: { include: [] } } : { topics: { include: ['bench.*'] } }),
    onStep: options.onStep,
  })
  if (options.path === 'straight') dialStraight(local)
  const { dcs } = local.info()
  const cluster = (dc: string) => ({ dc, bootstrap: dcs[dc]!.kafka, brokerPid: dcs[dc]!.brokers[0]!.pid! })
  const clusters = { dir, source: cluster(SOURCE_DC), target: cluster(TARGET_DC) }
  const sourceAdmin = await ledgerAdmin(clusters.source.bootstrap)
  const targetAdmin = await ledgerAdmin(clusters.target.bootstrap)
  const close = async () => {
    await Promise.allSettled([sourceAdmin.close(), targetAdmin.close()])
    await local.down()
  }
  return { clusters, local, sourceAdmin, targetAdmin, close }
}

/** The proxy of the local stack costs CPU that no deployment has: peers are dialled at their own ports. */
function dialStraight(local: LocalHandle): void {
  const { dcs } = local.info()
  for (const { gateways } of Object.values(dcs)) {
    for (const { config } of gateways) {
      const settings = parse(readFileSync(config, 'utf8')) as { peers: { dc: string; addresses: string[] }[] }
      for (const peer of settings.peers) peer.addresses = dcs[peer.dc]!.gateways.map(each => each.replication)
      writeFileSync(config, stringify(settings))
    }
  }
}

/** Fills a topic of the source cluster with events, by Kafka's own producer. */
export async function fillTopic(
  stage: BenchStage,
  topic: { readonly name: string; readonly partitions: number; readonly records: number },
  seed: number,
): Promise<void> {
  const { clusters, sourceAdmin } = stage
  await sourceAdmin.createTopic(topic.name, topic.partitions)
  const payload = join(clusters.dir, 'events.txt')
  await writePayloadFile(payload, seed)
  const producer = [
    `bootstrap.servers=${clusters.source.bootstrap}`,
    'compression.type=lz4',
    'batch.size=65536',
    'linger.ms=20',
  ]
  await runJava({
    name: 'ProducerPerformance',
    mainClass: 'org.apache.kafka.tools.ProducerPerformance',
    args: [
      '--topic',
      topic.name,
      '--num-records',
      String(topic.records),
      '--throughput',
      '-1',
      '--payload-file',
      payload,
      '--command-property',
      ...producer,
    ],
    jvm: ['-Xmx512m'],
    logFile: join(clusters.dir, 'fill.log'),
  })
}

const DELETION_DEADLINE_MS = 60_000

/** Makes both clusters as they were before a run: what a system wrote is deleted, `kept` stays. */
export async function clearStage(stage: BenchStage, kept: readonly string[]): Promise<void> {
  const clearings: [LedgerAdmin, readonly string[]][] = [
    [stage.sourceAdmin, kept],
    [stage.targetAdmin, []],
  ]
  for (const [admin, keep] of clearings) {
    const disposable = async () => {
      const topics = await admin.topics()
      return topics.filter(name => !keep.includes(name) && (!name.startsWith('__') || name.startsWith('__isthmus')))
    }
    for (const topic of await disposable()) await admin.deleteTopic(topic)
    await eventually('topics are deleted', DELETION_DEADLINE_MS, async () => (await disposable()).length === 0)
  }
}
