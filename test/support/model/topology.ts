import { advertisedPaths, judgePath, linkRoutes, type PeerRoute } from '../../../src/route/paths.ts'
import type { Path } from '../../../src/route/pull.ts'
import type { Random } from './random.ts'

/** What every data center is configured with: its peers and the relays to them. */
export type Topology = Readonly<Record<string, readonly PeerRoute[]>>

export interface Replica {
  readonly origin: string
  readonly sequence: number
  /** `replicated-at` headers it carries. */
  readonly hops: number
}

interface OpenSession {
  readonly server: string
  readonly path: Path
}

/**
 * Data centers at the level of routes: who asks whom for which origin, what is refused when a session opens, and what
 * then stands in each log. Positions are in origin coordinates, as in the gateway; everything else that keeps records
 * single there is left out, so that what the path rules achieve by themselves can be seen.
 */
export class RoutedWorld {
  readonly dcs: readonly string[]
  readonly logs = new Map<string, Replica[]>()
  readonly refusals = new Map<string, number>()
  /** Records over the hop limit: they came to a relay by a longer way than it has now. */
  dropped = 0
  readonly #random: Random
  readonly #maxReplicationHops: number
  readonly #produced = new Map<string, number>()
  readonly #sessions = new Map<string, OpenSession>()
  /** Next origin offset per link. */
  readonly #positions = new Map<string, number>()
  #topology: Topology

  constructor(topology: Topology, maxReplicationHops: number, random: Random) {
    this.dcs = Object.keys(topology)
    this.#topology = topology
    this.#maxReplicationHops = maxReplicationHops
    this.#random = random
    for (const dc of this.dcs) this.logs.set(dc, [])
  }

  /** A configuration is reloaded everywhere: sessions that it does not want are closed, the others stay. */
  reconfigure(topology: Topology): void {
    this.#topology = topology
    for (const [link, { server }] of this.#sessions) {
      const [origin, dc] = link.split('->') as [string, string]
      if (this.#serverOf(dc, origin) !== server) this.closeSession(dc, origin)
    }
  }

  produce(dc: string): void {
    this.#produced.set(dc, this.producedBy(dc) + 1)
  }

  producedBy(dc: string): number {
    return this.#produced.get(dc) ?? 0
  }

  /** `dc` dials whom its configuration names for `origin`; both ends judge the path that the server advertises. */
  openSession(dc: string, origin: string): void {
    const server = this.#serverOf(dc, origin)
    if (server === undefined) return
    const serverPaths = advertisedPaths(server, this.#currentPaths(server))
    const question = { origin, fetcher: dc, server, serverPaths, maxReplicationHops: this.#maxReplicationHops }
    const verdict = judgePath(question)
    if (verdict.kind === 'usable') this.#sessions.set(linkOf(dc, origin), { server, path: verdict.path })
    else this.refusals.set(verdict.kind, (this.refusals.get(verdict.kind) ?? 0) + 1)
  }

  /** A path ends, and with it the sessions that were opened because of it: their handshake has to be repeated. */
  closeSession(dc: string, origin: string): void {
    if (!this.#sessions.delete(linkOf(dc, origin))) return
    for (const other of this.dcs)
      if (this.#sessions.get(linkOf(other, origin))?.server === dc) this.closeSession(other, origin)
  }

  isOpen(dc: string, origin: string): boolean {
    return this.#sessions.has(linkOf(dc, origin))
  }

  /** Some of what the server has of the origin and `dc` has not covered yet. True when it got further. */
  pull(dc: string, origin: string): boolean {
    const session = this.#sessions.get(linkOf(dc, origin))
    if (session === undefined) return false
    const position = this.#position(dc, origin)
    const next = Math.min(position + this.#random.between(1, 3), this.#covered(session.server, origin))
    for (const { sequence, hops } of this.#served(session.server, origin)) {
      if (sequence < position || sequence >= next) continue
      // as the transform does: over the limit is dropped and counted
      if (hops >= this.#maxReplicationHops) this.dropped++
      else this.logs.get(dc)!.push({ origin, sequence, hops: hops + 1 })
    }
    this.#positions.set(linkOf(dc, origin), Math.max(position, next))
    return next > position
  }

  #position(dc: string, origin: string): number {
    return this.#positions.get(linkOf(dc, origin)) ?? 0
  }

  #covered(server: string, origin: string): number {
    return server === origin ? this.producedBy(origin) : this.#position(server, origin)
  }

  #served(server: string, origin: string): Replica[] {
    if (server !== origin) return this.logs.get(server)!.filter(record => record.origin === origin)
    return Array.from({ length: this.producedBy(origin) }, (_, sequence) => ({ origin, sequence, hops: 0 }))
  }

  #serverOf(dc: string, origin: string): string | undefined {
    return linkRoutes(this.#topology[dc]!).find(route => route.origin === origin)?.dial
  }

  #currentPaths(dc: string): Path[] {
    return this.dcs.flatMap(origin => this.#sessions.get(linkOf(dc, origin))?.path ?? [])
  }
}

/** The hops that records of `origin` need to `dc` by configuration; undefined where they cannot get there. */
export function hopsTo(topology: Topology, dc: string, origin: string): number | undefined {
  let at = dc
  let path = 0
  const seen = new Set<string>()
  while (at !== origin) {
    if (seen.has(at)) return undefined
    seen.add(at)
    const route = linkRoutes(topology[at]!).find(one => one.origin === origin)
    if (route === undefined) return undefined
    at = route.dial
    path++
  }
  return path
}

const direct = (dc: string): PeerRoute => ({ dc, via: [], dialable: true })
const relayed = (dc: string, relay: string): PeerRoute => ({ dc, via: [relay], dialable: false })

function topologyOf(dcs: readonly string[], peersOf: (dc: string, index: number) => PeerRoute[]): Topology {
  return Object.fromEntries(dcs.map((dc, index) => [dc, peersOf(dc, index)]))
}

/** Everyone fetches from each origin itself. */
export function mesh(dcs: readonly string[]): Topology {
  return topologyOf(dcs, dc => dcs.filter(other => other !== dc).map(direct))
}

/** Spokes know the hub alone, and fetch the other spokes through it. */
export function star(dcs: readonly string[]): Topology {
  const hub = dcs[0]!
  return topologyOf(dcs, dc =>
    dcs.filter(other => other !== dc).map(other => (dc === hub || other === hub ? direct(other) : relayed(other, hub))),
  )
}

/** Neighbours fetch from each other, everyone else through the neighbour on that side. */
export function chain(dcs: readonly string[]): Topology {
  return topologyOf(dcs, (dc, index) =>
    dcs.flatMap((other, at) => {
      if (other === dc) return []
      const neighbour = dcs[at > index ? index + 1 : index - 1]!
      return neighbour === other ? direct(other) : relayed(other, neighbour)
    }),
  )
}

/** All fetch through the neighbour on the left: records go round. */
export function ring(dcs: readonly string[]): Topology {
  return topologyOf(dcs, (dc, index) => {
    const left = dcs[(index + dcs.length - 1) % dcs.length]!
    return dcs.filter(other => other !== dc).map(other => (other === left ? direct(other) : relayed(other, left)))
  })
}

/** Anything that a config may say, sense or not: missing peers, relays in circles, relays that know nothing. */
export function anything(dcs: readonly string[], random: Random): Topology {
  return topologyOf(dcs, dc => {
    const others = dcs.filter(other => other !== dc && random.chance(0.9))
    return others.map(other => {
      const relays = others.filter(relay => relay !== other)
      if (relays.length === 0 || random.chance(0.4)) return direct(other)
      return { dc: other, via: [relays[random.below(relays.length)]!], dialable: true }
    })
  })
}

function linkOf(dc: string, origin: string): string {
  return `${origin}->${dc}`
}
