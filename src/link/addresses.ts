import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

/** One gateway node of a peer as gRPC dials it. */
export interface DialAddress {
  /** As configured, for people and for certificates: `host:port`. */
  readonly authority: string
  /** Resolved, as a gRPC target: `ipv4:10.0.0.1:7400`. */
  readonly target: string
}

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

export type Resolve = (host: string) => Promise<readonly string[]>

/** Nodes of one peer that are dialled in one pass. */
export const MAX_ADDRESSES = 32

export const resolveHost: Resolve = async host => {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

/**
 * Every address behind the configured ones: a name may stand for several nodes. Names that do not resolve are left out;
 * throws the last resolver's error when nothing is left.
 */
export async function dialAddresses(configured: readonly PeerAddress[], resolve: Resolve): Promise<DialAddress[]> {
  const found: DialAddress[] = []
  let failure: unknown
  for (const { host, port } of configured) {
    try {
      const ips = isIP(host) !== 0 ? [host] : await resolve(host)
      for (const ip of ips) found.push({ authority: `${host}:${port}`, target: grpcTarget(ip, port) })
    } catch (error) {
      failure = error
    }
  }
  if (found.length === 0 && failure !== undefined) throw failure
  const unique = new Map(found.map(address => [address.target, address]))
  return [...unique.values()].slice(0, MAX_ADDRESSES)
}

function grpcTarget(ip: string, port: number): string {
  return isIP(ip) === 6 ? `ipv6:[${ip}]:${port}` : `ipv4:${ip}:${port}`
}

/**
 * In which order the nodes are dialled: rotated by `turn`, so that sessions spread over them; the one whose session
 * just ended comes last.
 */
export function dialOrder(
  addresses: readonly DialAddress[],
  turn: number,
  lastTarget: string | undefined,
): DialAddress[] {
  const rotated = addresses.map((_, index) => addresses[(index + turn) % addresses.length]!)
  return [...rotated.filter(a => a.target !== lastTarget), ...rotated.filter(a => a.target === lastTarget)]
}
