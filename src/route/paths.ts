import { GatewayError } from '../errors.ts'
import { linkName } from './names.ts'
import type { Path } from './pull.ts'

/**
 * Rules of paths. A `Path` lists the data centers that records of an origin pass before they reach whoever speaks, the
 * origin first: [] at the origin itself, [eu] at us when fetched directly, [eu, us] at ap when fetched via us. Its length
 * is the hop count: the number of `replicated-at` headers on a record that came this way.
 */

/** Hops a record may make unless configured. */
export const DEFAULT_MAX_REPLICATION_HOPS = 3
/** Topologies of more data centers in a row than this are not tested. */
export const MAX_REPLICATION_HOPS_LIMIT = 16

/** One peer as configured, reduced to what decides about paths. */
export interface PeerRoute {
  readonly dc: string
  /**
   * Relays to fetch this origin from, in order of preference; the first is used. Empty: from the origin itself.
   * Only the neighbour is named: how the relay gets the records is its own matter, and it says so at Hello.
   * - mesh: nobody has `via`
   * - star or hub h: every spoke has `via: [h]` for the other spokes
   * - chain or ring: `via: [the neighbour on that side]` for everyone who is not a neighbour
   */
  readonly via: readonly string[]
  /** False where only others reach this data center. */
  readonly dialable: boolean
}

/** How the link of an origin is fetched by configuration: whom to dial. */
export interface LinkRoute {
  readonly origin: string
  readonly dial: string
}

/** What is wrong with the routes of a config, each in words, in the order of the peers. */
export function routeProblems(ourDc: string, peers: readonly PeerRoute[]): { peer: number; problem: string }[] {
  const found: { peer: number; problem: string }[] = []
  const say = (peer: number, problem: string) => found.push({ peer, problem })
  peers.forEach((peer, index) => {
    if (peer.dc === ourDc) say(index, `${peer.dc} is this data center itself: it has no link to itself`)
    if (peers.findIndex(other => other.dc === peer.dc) !== index) say(index, `${peer.dc} is listed twice`)
    if (peer.via.length === 0 && !peer.dialable)
      say(index, `${peer.dc} has no addresses: give some, or a relay with via`)
    for (const relay of peer.via) {
      const known = peers.find(other => other.dc === relay)
      if (relay === ourDc) say(index, `${peer.dc} via ${relay}: that is this data center itself`)
      else if (relay === peer.dc) say(index, `${peer.dc} via ${relay}: leave via out to fetch from the origin itself`)
      else if (known === undefined) say(index, `${peer.dc} via ${relay}: ${relay} is not among the peers`)
      else if (!known.dialable) say(index, `${peer.dc} via ${relay}: ${relay} has no addresses`)
    }
  })
  return found
}

/** The one inbound link per peer, and whom to dial for it. Config must have no `routeProblems`. */
export function linkRoutes(peers: readonly PeerRoute[]): LinkRoute[] {
  return peers.map(peer => ({ origin: peer.dc, dial: peer.via[0] ?? peer.dc }))
}

/** What a node tells its peers at Hello: itself as an origin, and each link that has a path now. */
export function advertisedPaths(ourDc: string, current: Iterable<Path>): Path[] {
  const paths: Path[] = [{ origin: ourDc, via: [] }]
  for (const path of current) if (path.origin !== ourDc) paths.push(path)
  return paths
}

/** The path of an origin's records to whoever fetches them from `peerDc`, which advertises `path`. */
export function pathThrough(peerDc: string, path: Path): Path {
  return { origin: path.origin, via: [...path.via, peerDc] }
}

export type PathVerdict =
  | { readonly kind: 'usable'; readonly path: Path }
  | { readonly kind: 'loop'; readonly why: string }
  | { readonly kind: 'too-long'; readonly why: string }
  | { readonly kind: 'not-carried'; readonly why: string }

/** May `fetcher` fetch `origin` from `server`? Both ends ask this with the paths that `server` advertises. */
export interface PathQuestion {
  readonly origin: string
  readonly fetcher: string
  readonly server: string
  readonly serverPaths: readonly Path[]
  readonly maxReplicationHops: number
}

/**
 * Judges a path when a session opens: it must begin at the origin, never come back to where the records were, and
 * have no more hops than allowed. Because a path is only advertised while it is in use, two relays that wait for each
 * other both say `not-carried`: a cycle never comes to life. Were a path to change behind someone's back, positions in
 * origin coordinates still keep every record single; it would only stand still.
 */
export function judgePath(question: PathQuestion): PathVerdict {
  const { origin, fetcher, server, serverPaths, maxReplicationHops } = question
  const link = linkName(origin, fetcher)
  if (origin === fetcher) return { kind: 'loop', why: `${fetcher} would fetch its own records back from ${server}` }
  if (server === fetcher) return { kind: 'loop', why: `${fetcher} would fetch ${origin} from itself` }
  const advertised = serverPaths.find(path => path.origin === origin)
  if (advertised === undefined)
    return {
      kind: 'not-carried',
      why: `${server} does not receive records of ${origin} now, so ${link} cannot go via it`,
    }
  const path = pathThrough(server, advertised)
  if (path.via[0] !== origin)
    return {
      kind: 'not-carried',
      why: `${server} says that ${origin} reaches it ${describeVia(path)}, which does not begin there`,
    }
  const seen = new Set(path.via)
  if (seen.has(fetcher) || seen.size !== path.via.length)
    return { kind: 'loop', why: `${link} ${describeVia(path)} would bring records back to where they were` }
  if (path.via.length > maxReplicationHops)
    return {
      kind: 'too-long',
      why: `${link} ${describeVia(path)} is ${path.via.length} hops, at most ${maxReplicationHops} are allowed`,
    }
  return { kind: 'usable', path }
}

/** The path, or a GatewayError with the verdict's reason: LOOP_DETECTED, or PEER_REFUSED. */
export function requirePath(question: PathQuestion): Path {
  const verdict = judgePath(question)
  if (verdict.kind === 'usable') return verdict.path
  if (verdict.kind === 'loop')
    throw new GatewayError('LOOP_DETECTED', 'peer', verdict.why, {
      hint: 'change the via of one of the data centers on the way',
    })
  const hint = verdict.kind === 'too-long' ? 'raise maxReplicationHops, or take a shorter way' : undefined
  throw new GatewayError('PEER_REFUSED', 'peer', verdict.why, { hint })
}

/** A path as operators read it: `eu->ap`, `eu->ap via us`. */
export function describePath(path: Path, dc: string): string {
  const relays = path.via.slice(1)
  return relays.length === 0 ? linkName(path.origin, dc) : `${linkName(path.origin, dc)} via ${relays.join(', ')}`
}

function describeVia(path: Path): string {
  return path.via.length <= 1 ? 'directly' : `via ${path.via.slice(1).join(', ')}`
}
