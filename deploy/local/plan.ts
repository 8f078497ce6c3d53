import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { prepareGateway } from './gateway-node.ts'
import { type BrokerPorts, prepareCluster } from './kafka-broker.ts'
import { DEFAULT_KAFKA_VERSION } from './paths.ts'
import { freePorts } from './ports.ts'
import type { ProcessPlan } from './process.ts'
import { prepareRedis } from './redis-server.ts'
import { routeTo } from './topology.ts'
import type { ConfigTree, DcInfo, GatewayInfo, LocalInfo, LocalOptions } from './types.ts'
import { Wan } from './wan.ts'

const DEFAULT_DCS = ['eu', 'us', 'ap']
const DC_NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/
const MAX_NODES_OR_BROKERS = 9

export interface LocalPlan {
  readonly processes: readonly ProcessPlan[]
  readonly wan: Wan
  readonly describe: (pidOf: (name: string) => number | null) => LocalInfo
}

interface NodeSite {
  readonly name: string
  readonly ports: { readonly replication: number; readonly admin: number; readonly http: number }
  readonly config: string
}

/** One data center with its names and ports. */
interface Site {
  readonly dc: string
  readonly brokers: readonly BrokerPorts[]
  readonly redisPort: number | undefined
  readonly nodes: readonly NodeSite[]
}

/** Chooses ports, opens the doors of the WAN, formats storage and writes configs. Starts nothing. */
export async function planLocal(dir: string, options: LocalOptions): Promise<LocalPlan> {
  const dcs = options.dcs ?? DEFAULT_DCS
  const nodes = options.gateways === 'none' ? 0 : (options.nodes ?? 1)
  check(dcs, nodes, options.brokers ?? 1)
  const sites: Site[] = []
  for (const dc of dcs) sites.push(await newSite(dir, dc, nodes, options.brokers ?? 1, options.redis !== false))
  for (const name of sites.flatMap(processNames))
    for (const leftover of [name, `${name}.log`, `${name}.yaml`])
      rmSync(join(dir, leftover), { recursive: true, force: true })
  const wan = new Wan(dcs, options.wanDelayMs ?? 0)
  try {
    const processes = await planProcesses(dir, dcs, sites, wan, options)
    return { processes, wan, describe: pidOf => describe(sites, pidOf) }
  } catch (error) {
    await wan.close()
    throw error
  }
}

async function planProcesses(
  dir: string,
  dcs: readonly string[],
  sites: readonly Site[],
  wan: Wan,
  options: LocalOptions,
): Promise<ProcessPlan[]> {
  const doors = await openDoors(wan, sites, options)
  // The test suites choose the version for all that they start.
  const version = options.kafka ?? process.env.ISTHMUS_TEST_KAFKA ?? DEFAULT_KAFKA_VERSION
  const processes: ProcessPlan[] = []
  for (const site of sites) {
    const { dc, brokers } = site
    processes.push(...(await prepareCluster({ dc, dir, version, ports: brokers, config: options.brokerConfig ?? {} })))
    if (site.redisPort !== undefined) processes.push(prepareRedis(dc, dir, site.redisPort))
    processes.push(...gatewaysOf(site, dir, dcs, doors.get(dc)!, options))
  }
  return processes
}

function check(dcs: readonly string[], nodes: number, brokers: number): void {
  const bad = dcs.find(dc => !DC_NAME.test(dc))
  if (bad !== undefined) throw new Error(`"${bad}" is not a data center name: lower-case letters, digits, inner dashes`)
  if (dcs.length === 0 || new Set(dcs).size !== dcs.length) throw new Error('name at least one data center, each once')
  for (const [what, count, least] of [['nodes', nodes, 0] as const, ['brokers', brokers, 1] as const])
    if (!Number.isInteger(count) || count < least || count > MAX_NODES_OR_BROKERS)
      throw new Error(`${what} must be ${least} to ${MAX_NODES_OR_BROKERS}, not ${count}`)
}

async function newSite(dir: string, dc: string, nodes: number, brokers: number, redis: boolean): Promise<Site> {
  const ports = await freePorts(2 * brokers + 1 + 3 * nodes)
  const next = () => ports.pop()!
  return {
    dc,
    brokers: Array.from({ length: brokers }, () => ({ client: next(), controller: next() })),
    redisPort: redis ? next() : undefined,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      name: `${dc}-${index + 1}`,
      ports: { replication: next(), admin: next(), http: next() },
      config: join(dir, `${dc}-${index + 1}.yaml`),
    })),
  }
}

function processNames({ dc, brokers, nodes }: Site): string[] {
  return [`redis-${dc}`, ...brokers.map((_, index) => `kafka-${dc}-${index + 1}`), ...nodes.map(({ name }) => name)]
}

/** A door for each (dialling dc, node of another dc) that the topology uses. Result: dialling dc -> other dc -> ports. */
async function openDoors(wan: Wan, sites: readonly Site[], { topology = 'mesh' }: LocalOptions) {
  const dcs = sites.map(({ dc }) => dc)
  const doors = new Map<string, Map<string, number[]>>()
  for (const { dc: from } of sites) {
    const own = new Map<string, number[]>()
    for (const { dc: to, nodes } of sites) {
      if (from === to || routeTo(topology, dcs, from, to).kind === 'via') continue
      const ports = await freePorts(nodes.length)
      for (const [index, node] of nodes.entries()) await wan.addDoor(from, to, ports[index]!, node.ports.replication)
      own.set(to, ports)
    }
    doors.set(from, own)
  }
  return doors
}

function gatewaysOf(
  { dc, brokers, redisPort, nodes }: Site,
  dir: string,
  dcs: readonly string[],
  doors: ReadonlyMap<string, readonly number[]>,
  options: LocalOptions,
): ProcessPlan[] {
  const { configExtra = {}, topology = 'mesh', include = ['*'], nodeArgs = [] } = options
  const extraOf = (node: string): ConfigTree =>
    typeof configExtra === 'function' ? configExtra(dc, node) : configExtra
  return nodes.map(({ name, ports, config }) =>
    prepareGateway({
      dc,
      node: name,
      config,
      log: join(dir, `${name}.log`),
      ports,
      kafkaPorts: brokers.map(({ client }) => client),
      redisPort,
      dcs,
      topology,
      include,
      doors,
      extra: extraOf(name),
      nodeArgs,
    }),
  )
}

function describe(sites: readonly Site[], pidOf: (name: string) => number | null): LocalInfo {
  return { dcs: Object.fromEntries(sites.map(site => [site.dc, describeSite(site, pidOf)])) }
}

function describeSite({ dc, brokers, redisPort, nodes }: Site, pidOf: (name: string) => number | null): DcInfo {
  return {
    kafka: brokers.map(({ client }) => `127.0.0.1:${client}`).join(','),
    redis: redisPort === undefined ? null : `redis://127.0.0.1:${redisPort}`,
    brokers: brokers.map(({ client }, index) => ({
      id: index + 1,
      port: client,
      pid: pidOf(`kafka-${dc}-${index + 1}`),
    })),
    gateways: nodes.map(
      ({ name, ports, config }): GatewayInfo => ({
        node: name,
        pid: pidOf(name),
        replication: `127.0.0.1:${ports.replication}`,
        admin: `127.0.0.1:${ports.admin}`,
        http: `http://127.0.0.1:${ports.http}`,
        config,
      }),
    ),
  }
}
