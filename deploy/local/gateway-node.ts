import { readFileSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { gatewayNodeFlags } from '../../bin/node26.js'
import { cliMain } from './paths.ts'
import { httpAnswers } from './probe.ts'
import type { ProcessPlan } from './process.ts'
import { routeTo } from './topology.ts'
import type { ConfigTree, Topology } from './types.ts'

const READY_LIMIT_MS = 60_000
/** Of the product; a longer row of data centers needs the limit raised. */
const DEFAULT_MAX_HOPS = 3

export interface NodePorts {
  readonly replication: number
  readonly admin: number
  readonly http: number
}

export interface NodePlan {
  readonly dc: string
  readonly node: string
  /** Path of its YAML, which `prepareGateway` writes. */
  readonly config: string
  readonly log: string
  readonly ports: NodePorts
  readonly kafkaPorts: readonly number[]
  readonly redisPort: number | undefined
  readonly dcs: readonly string[]
  readonly topology: Topology
  readonly include: readonly string[]
  /** Ports of the WAN proxy through which this dc reaches the nodes of each other one. */
  readonly doors: ReadonlyMap<string, readonly number[]>
  readonly extra: ConfigTree
  readonly nodeArgs: readonly string[]
}

/** Writes the config of a gateway node and returns how to run it. */
export function prepareGateway(plan: NodePlan): ProcessPlan {
  writeFileSync(plan.config, stringify(merge(gatewayConfig(plan), plan.extra)))
  return {
    name: plan.node,
    kind: 'gateway',
    dc: plan.dc,
    command: process.execPath,
    args: [...gatewayNodeFlags, ...plan.nodeArgs, cliMain(), 'gateway', '--config', plan.config],
    log: plan.log,
    isReady: () => httpAnswers(`http://127.0.0.1:${plan.ports.http}/readyz`),
    readyWithinMs: READY_LIMIT_MS,
  }
}

function gatewayConfig(plan: NodePlan): ConfigTree {
  const { dc, node, ports, kafkaPorts, redisPort, dcs } = plan
  const brokers = kafkaPorts.length
  const peers = dcs.filter(other => other !== dc).map(other => peerConfig(plan, other))
  return {
    dc,
    node,
    kafka: {
      brokers: kafkaPorts.map(loopback),
      internalTopics: { replicationFactor: Math.min(3, brokers), minInsyncReplicas: brokers >= 3 ? 2 : 1 },
    },
    listen: {
      replication: loopback(ports.replication),
      admin: loopback(ports.admin),
      http: loopback(ports.http),
    },
    tls: 'none',
    peers,
    topics: {
      include: peers.length === 0 ? [] : plan.include,
      // New clusters hold nothing that was mirrored before, so what others write first is no copy.
      start: [{ match: '*', from: 'earliest', confirmed: true }],
    },
    ...(dcs.length - 1 > DEFAULT_MAX_HOPS && { limits: { maxReplicationHops: dcs.length - 1 } }),
    ...(redisPort !== undefined && { redis: { url: `redis://${loopback(redisPort)}` } }),
  }
}

function peerConfig({ dc, dcs, topology, doors }: NodePlan, other: string): ConfigTree {
  const route = routeTo(topology, dcs, dc, other)
  if (route.kind === 'via') return { dc: other, via: [route.neighbour] }
  return { dc: other, addresses: doors.get(other)!.map(loopback) }
}

function loopback(port: number): string {
  return `127.0.0.1:${port}`
}

/** Settings to merge into every gateway's config, from a YAML file. */
export function readConfigTree(file: string): ConfigTree {
  const tree: unknown = parse(readFileSync(file, 'utf8'))
  if (!isTree(tree)) throw new Error(`${file} must hold settings of a gateway, such as \`logLevel: debug\``)
  return tree
}

/** Objects merge key by key; anything else is replaced by what `extra` says. */
function merge(base: ConfigTree, extra: ConfigTree): ConfigTree {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(extra)) {
    const under = merged[key]
    merged[key] = isTree(under) && isTree(value) ? merge(under, value) : value
  }
  return merged
}

function isTree(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
