import { accessSync, constants } from 'node:fs'
import { routeProblems } from '../route/paths.ts'
import type { ConfigPath } from './problems.ts'
import type { GatewayConfig } from './schema.ts'

/** A mistake between fields that are right each on its own. */
export interface Contradiction {
  readonly path: ConfigPath
  readonly message: string
}

/** Everything in a config that contradicts itself, its own file paths included. */
export function contradictions(config: GatewayConfig): Contradiction[] {
  return [
    ...peerContradictions(config),
    ...listenContradictions(config),
    ...topicContradictions(config),
    ...limitContradictions(config),
    ...kafkaContradictions(config),
  ]
}

function peerContradictions({ dc, peers, topics }: GatewayConfig): Contradiction[] {
  // Who wants nothing dials nobody: its peers are listed only because they may fetch.
  const dialsNobody = topics.include.length === 0
  const routes = peers.map(peer => ({
    dc: peer.dc,
    via: peer.via,
    dialable: dialsNobody || peer.addresses.length > 0,
  }))
  const found: Contradiction[] = routeProblems(dc, routes).map(({ peer, problem }) => ({
    path: ['peers', peer],
    message: problem,
  }))
  const seen = new Map<string, string>()
  peers.forEach((peer, index) => {
    peer.addresses.forEach((address, at) => {
      const key = `${address.host}:${address.port}`
      const path = ['peers', index, 'addresses', at]
      const other = seen.get(key)
      if (other !== undefined) found.push({ path, message: `${key} is already an address of ${other}` })
      else if (address.port === 0) found.push({ path, message: 'a port to dial cannot be 0' })
      seen.set(key, peer.dc)
    })
  })
  return found
}

function listenContradictions({ listen }: GatewayConfig): Contradiction[] {
  const doors = [
    ['replication', listen.replication],
    ['admin', listen.admin],
    ['http', listen.http],
  ] as const
  const found: Contradiction[] = []
  doors.forEach(([name, door], index) => {
    const same = doors
      .slice(0, index)
      .find(([, other]) => door.port !== 0 && other.port === door.port && clash(other.host, door.host))
    if (same)
      found.push({
        path: ['listen', name],
        message: `port ${door.port} is taken by listen.${same[0]}; give each its own`,
      })
  })
  return found
}

function clash(a: string, b: string): boolean {
  const everywhere = (host: string) => host === '0.0.0.0' || host === '::'
  return a === b || everywhere(a) || everywhere(b)
}

function topicContradictions({ dc, peers, topics }: GatewayConfig): Contradiction[] {
  const found: Contradiction[] = []
  topics.exclude.forEach((pattern, index) => {
    const path = ['topics', 'exclude', index]
    if (topics.include.includes(pattern))
      found.push({ path, message: `"${pattern}" is in include as well; exclude wins, so take it out of one of them` })
    else if (pattern === '*' && topics.include.length > 0)
      found.push({ path, message: '"*" takes back everything that include wants; write include: [] for nothing' })
  })
  if (topics.include.length > 0 && peers.length === 0)
    found.push({ path: ['topics', 'include'], message: 'topics are wanted, but there are no peers to fetch them from' })
  topics.rules.forEach((rule, index) => {
    const own = rule.allowDcs.indexOf(dc)
    if (own >= 0)
      found.push({
        path: ['topics', 'rules', index, 'allowDcs', own],
        message: `${dc} is this data center; rules name the others that may fetch`,
      })
  })
  topics.start.forEach((entry, index) => {
    if (entry.confirmed && entry.start.kind !== 'earliest')
      found.push({
        path: ['topics', 'start', index, 'confirmed'],
        message: 'only a start from earliest can double records and needs confirming; take it out',
      })
    if (entry.match === '*' && index < topics.start.length - 1)
      found.push({
        path: ['topics', 'start', index],
        message: '"*" decides for every topic, so the entries after it never count; put it last',
      })
  })
  if (topics.follow !== undefined && !peers.some(peer => peer.dc === topics.follow))
    found.push({ path: ['topics', 'follow'], message: `${topics.follow} is not among the peers` })
  return found
}

function limitContradictions({ breaker, flow }: GatewayConfig): Contradiction[] {
  const found: Contradiction[] = []
  if (breaker.retryMaxMs < breaker.retryAfterMs)
    found.push({ path: ['breaker', 'retryMaxMs'], message: 'must not be below breaker.retryAfterMs' })
  if (flow.targetBatchBytes > flow.maxBatchBytes)
    found.push({ path: ['flow', 'targetBatchBytes'], message: 'must not be above flow.maxBatchBytes' })
  return found
}

function kafkaContradictions({ kafka }: GatewayConfig): Contradiction[] {
  const found: Contradiction[] = []
  const { replicationFactor, minInsyncReplicas } = kafka.internalTopics
  if (minInsyncReplicas > replicationFactor)
    found.push({
      path: ['kafka', 'internalTopics', 'minInsyncReplicas'],
      message: `${minInsyncReplicas} in-sync replicas of ${replicationFactor} can never be reached`,
    })
  const files = kafka.tls
  if (files && (files.cert === undefined) !== (files.key === undefined))
    found.push({ path: ['kafka', 'tls'], message: 'cert and key belong together; give both or neither' })
  for (const name of ['ca', 'cert', 'key'] as const) {
    const file = files?.[name]
    if (file !== undefined && !readable(file))
      found.push({ path: ['kafka', 'tls', name], message: `${file} cannot be read` })
  }
  return found
}

function readable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}
