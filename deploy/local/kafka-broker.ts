import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kafkaClassPath, tools } from './paths.ts'
import { brokerAnswers } from './probe.ts'
import type { ProcessPlan } from './process.ts'

const run = promisify(execFile)

const READY_LIMIT_MS = 90_000
const HEAP = '512m'
/** Controllers beyond three add nothing; with two, losing either would stop the quorum, so one is enough then. */
const MAX_CONTROLLERS = 3

export interface BrokerPorts {
  readonly client: number
  readonly controller: number
}

export interface ClusterPlan {
  readonly dc: string
  readonly dir: string
  readonly version: string
  readonly ports: readonly BrokerPorts[]
  readonly config: Readonly<Record<string, string>>
}

/** Formats the storage of a cluster's brokers (KRaft, a new cluster id) and returns how to run each, in id order from 1. */
export async function prepareCluster(cluster: ClusterPlan): Promise<ProcessPlan[]> {
  const clusterId = kafkaUuid()
  const plans: ProcessPlan[] = []
  for (let id = 1; id <= cluster.ports.length; id++) plans.push(await prepareBroker(cluster, id, clusterId))
  return plans
}

async function prepareBroker(cluster: ClusterPlan, id: number, clusterId: string): Promise<ProcessPlan> {
  const name = `kafka-${cluster.dc}-${id}`
  const dir = join(cluster.dir, name)
  mkdirSync(dir, { recursive: true })
  const properties = join(dir, 'server.properties')
  writeFileSync(properties, serverProperties(cluster, id, join(dir, 'data')))
  const java = [...jvmArgs('error'), '-cp', kafkaClassPath(cluster.version)]
  const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties]
  await run(tools().java, [...java, ...format]).catch(error => {
    throw new Error(`cannot format the storage of ${name}:\n${error.stderr || error.message}`)
  })
  const { client } = cluster.ports[id - 1]!
  return {
    name,
    kind: 'kafka',
    dc: cluster.dc,
    command: tools().java,
    args: [...jvmArgs('warn'), '-cp', kafkaClassPath(cluster.version), 'kafka.Kafka', properties],
    log: join(cluster.dir, `${name}.log`),
    isReady: () => brokerAnswers(client, id),
    readyWithinMs: READY_LIMIT_MS,
  }
}

function jvmArgs(logLevel: string): string[] {
  const logger = 'org.slf4j.simpleLogger'
  const logging = [`-D${logger}.defaultLogLevel=${logLevel}`, `-D${logger}.showDateTime=true`]
  const stamps = `-D${logger}.dateTimeFormat=HH:mm:ss.SSS`
  return [`-Xmx${HEAP}`, '-XX:+UseSerialGC', ...logging, stamps]
}

/** Settings of a small cluster on one machine: what Kafka's defaults assume of three brokers is fitted to their number. */
function serverProperties(cluster: ClusterPlan, id: number, dataDir: string): string {
  const brokers = cluster.ports.length
  const controllers = brokers >= MAX_CONTROLLERS ? MAX_CONTROLLERS : 1
  const own = cluster.ports[id - 1]!
  const isController = id <= controllers
  const listeners = [`PLAINTEXT://127.0.0.1:${own.client}`]
  if (isController) listeners.push(`CONTROLLER://127.0.0.1:${own.controller}`)
  const voters = cluster.ports.slice(0, controllers).map((ports, at) => `${at + 1}@127.0.0.1:${ports.controller}`)
  const replicas = String(Math.min(3, brokers))
  const minIsr = brokers >= 3 ? '2' : '1'
  const properties: Record<string, string> = {
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': String(id),
    'controller.quorum.voters': voters.join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    listeners: listeners.join(','),
    'advertised.listeners': listeners[0]!,
    'log.dirs': dataDir,
    'default.replication.factor': replicas,
    'min.insync.replicas': minIsr,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minIsr,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': minIsr,
    // 50 partitions each by default: files and start-up time that a small cluster does not need.
    'offsets.topic.num.partitions': '8',
    'transaction.state.log.num.partitions': '8',
    'share.coordinator.state.topic.num.partitions': '2',
    'group.initial.rebalance.delay.ms': '0',
    // A broker killed with -9 can come back, and its partitions get other leaders, once its session is over: 9 s by default.
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '4000',
    'log.cleaner.dedupe.buffer.size': String(16 * 1024 * 1024),
    ...cluster.config,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

/** A random UUID in Kafka's spelling: 22 characters of URL-safe base64, none of those that a command line takes for an option. */
function kafkaUuid(): string {
  const text = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
  return text.startsWith('-') ? kafkaUuid() : text
}
