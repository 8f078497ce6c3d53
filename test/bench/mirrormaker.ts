import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startJava } from '../support/java.ts'
import type { BenchClusters, RunningSystem, SystemUnderTest } from './systems.ts'

/** Three ways to run MirrorMaker 2: out of the box, as a careful operator would, and with Connect's exactly-once (KIP-618). */
export type MirrorMakerSetting = 'default' | 'tuned' | 'exactly-once'

/** Bytes of a batch, records per poll and linger of the tuned settings. Linger is 0 where latency is measured. */
const TUNED_BATCH_BYTES = 256 * 1024
const TUNED_POLL_RECORDS = 5_000
const TUNED_LINGER_MS = 20

/** Heap and collector as Kafka's own start script sets them, with bench.md's heap of 1 GB. */
const MIRROR_MAKER_JVM = [
  '-Xmx1g',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
]

/** Kafka's MirrorMaker 2 in dedicated mode: one process that consumes from the source and produces into the target. */
export function mirrorMaker(setting: MirrorMakerSetting): SystemUnderTest {
  return {
    name: `mirrormaker2-${setting}`,
    start: async (clusters, topics, run) => {
      // Cluster aliases of its own for each run: offsets of an earlier run are then not found, so each begins at offset 0.
      const alias = `r${run.number}`
      const dir = join(clusters.dir, `${alias}-${setting}`)
      mkdirSync(dir, { recursive: true })
      const file = join(dir, 'mm2.properties')
      writeFileSync(file, propertiesText(mirrorMakerProperties(setting, alias, clusters, topics, run)))
      const mirror = startJava({
        name: `mirrormaker2-${setting}`,
        mainClass: 'org.apache.kafka.connect.mirror.MirrorMaker',
        args: [file],
        jvm: MIRROR_MAKER_JVM,
        logFile: join(dir, 'mm2.log'),
      })
      const running: RunningSystem = {
        processes: [{ role: 'both', name: 'mirrormaker2', pid: mirror.pid }],
        targetTopic: topic => `${alias}.${topic}`,
        exited: mirror.exited,
        logFiles: [mirror.logFile],
        stop: () => mirror.stop(),
      }
      return running
    },
  }
}

/** The properties file of a run: `<alias>` is the source, `<alias>t` the target. */
export function mirrorMakerProperties(
  setting: MirrorMakerSetting,
  source: string,
  clusters: BenchClusters,
  topics: readonly string[],
  run: { readonly linger: 'throughput' | 'latency'; readonly freePort: number },
): Record<string, string | number | boolean> {
  const target = `${source}t`
  return {
    clusters: `${source},${target}`,
    [`${source}.bootstrap.servers`]: clusters.source.bootstrap,
    [`${target}.bootstrap.servers`]: clusters.target.bootstrap,
    [`${source}->${target}.enabled`]: true,
    [`${source}->${target}.topics`]: topics.join(','),
    [`${target}->${source}.enabled`]: false,
    'tasks.max': 2,
    // One broker a cluster, and nothing but the records: what is compared is the flow.
    'replication.factor': 1,
    'checkpoints.topic.replication.factor': 1,
    'heartbeats.topic.replication.factor': 1,
    'offset-syncs.topic.replication.factor': 1,
    'offset.storage.replication.factor': 1,
    'status.storage.replication.factor': 1,
    'config.storage.replication.factor': 1,
    'sync.topic.acls.enabled': false,
    'emit.heartbeats.enabled': false,
    'emit.checkpoints.enabled': false,
    [`${source}.consumer.auto.offset.reset`]: 'earliest',
    ...(setting === 'default' ? {} : tuned(source, target, run.linger)),
    ...(setting === 'exactly-once' ? exactlyOnce(source, target, run.freePort) : {}),
  }
}

function tuned(source: string, target: string, linger: 'throughput' | 'latency') {
  return {
    [`${source}.consumer.max.poll.records`]: TUNED_POLL_RECORDS,
    [`${target}.producer.compression.type`]: 'lz4',
    [`${target}.producer.batch.size`]: TUNED_BATCH_BYTES,
    [`${target}.producer.linger.ms`]: linger === 'throughput' ? TUNED_LINGER_MS : 0,
  }
}

function exactlyOnce(source: string, target: string, freePort: number) {
  return {
    'dedicated.mode.enable.internal.rest': true,
    listeners: `http://127.0.0.1:${freePort}`,
    [`${target}.exactly.once.source.support`]: 'enabled',
    [`${source}.consumer.isolation.level`]: 'read_committed',
  }
}

function propertiesText(properties: Record<string, string | number | boolean>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')
}
