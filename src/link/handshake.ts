import { GatewayError } from '../errors.ts'
import { requirePath } from '../route/paths.ts'
import type { Path, PeerIdentity } from '../route/pull.ts'
import { MAX_PROTOCOL_VERSION, MIN_PROTOCOL_VERSION } from './limits.ts'
import type { HelloMessage, WelcomeMessage } from './messages.ts'
import type { KnownClusters } from './ports.ts'

/** What both ends check of one another before anything is asked for. Pure but for `knownClusters`. */

export interface Expectations {
  readonly ours: PeerIdentity
  readonly knownClusters: KnownClusters
  readonly maxReplicationHops: number
}

/** The highest version both speak. Throws GatewayError PEER_REFUSED when there is none. */
export function chooseVersion(offered: { readonly minVersion: number; readonly maxVersion: number }): number {
  const version = Math.min(offered.maxVersion, MAX_PROTOCOL_VERSION)
  if (version >= Math.max(offered.minVersion, MIN_PROTOCOL_VERSION)) return version
  throw new GatewayError(
    'PEER_REFUSED',
    'peer',
    `no protocol version in common: the peer speaks ${offered.minVersion} to ${offered.maxVersion}, this gateway ${MIN_PROTOCOL_VERSION} to ${MAX_PROTOCOL_VERSION}`,
    { hint: 'upgrade the older side; neighbouring versions always understand each other' },
  )
}

/** At the source: is this target welcome, and may it fetch this link here? Returns the path the link would have. */
export function judgeHello(hello: HelloMessage, expect: Expectations, configured: (dc: string) => boolean): Path {
  if (!configured(hello.dc))
    throw new GatewayError('PEER_REFUSED', 'peer', `data center ${hello.dc} is not a peer of ${expect.ours.dc}`, {
      hint: `add ${hello.dc} to the peers of ${expect.ours.dc}`,
    })
  judgeCluster(hello, expect)
  return requirePath({
    origin: hello.origin,
    fetcher: hello.dc,
    server: expect.ours.dc,
    serverPaths: expect.ours.paths,
    maxReplicationHops: expect.maxReplicationHops,
  })
}

/** At the target: is this the data center that was dialled, and may the link come through it? Returns the link's path. */
export function judgeWelcome(welcome: WelcomeMessage, dialled: string, origin: string, expect: Expectations): Path {
  if (welcome.version < MIN_PROTOCOL_VERSION || welcome.version > MAX_PROTOCOL_VERSION)
    throw new GatewayError('PEER_PROTOCOL', 'peer', `the peer chose protocol version ${welcome.version}, never offered`)
  if (welcome.dc !== dialled)
    throw new GatewayError(
      'CLUSTER_MISMATCH',
      'peer',
      `an address of ${dialled} is answered by data center ${welcome.dc} (node ${welcome.node})`,
      { hint: `correct the addresses of ${dialled}` },
    )
  judgeCluster(welcome, expect)
  return requirePath({
    origin,
    fetcher: expect.ours.dc,
    server: welcome.dc,
    serverPaths: welcome.paths,
    maxReplicationHops: expect.maxReplicationHops,
  })
}

/** One cluster has one name and one name one cluster: else records would come back, or two histories be mixed. */
function judgeCluster(peer: { readonly dc: string; readonly clusterId: string }, expect: Expectations): void {
  const { ours, knownClusters } = expect
  if (peer.dc === ours.dc)
    throw new GatewayError('CLUSTER_MISMATCH', 'peer', `the peer calls itself ${peer.dc}, as this data center does`, {
      hint: 'give every data center a name of its own',
    })
  if (peer.clusterId === '') throw new GatewayError('PEER_PROTOCOL', 'peer', `${peer.dc} does not name its cluster`)
  if (peer.clusterId === ours.clusterId)
    throw new GatewayError(
      'CLUSTER_MISMATCH',
      'peer',
      `${peer.dc} and ${ours.dc} are the same Kafka cluster (${ours.clusterId})`,
      { hint: 'point one of the two gateways at its own cluster' },
    )
  const known = knownClusters.get(peer.dc)
  if (known !== undefined && known !== peer.clusterId)
    throw new GatewayError(
      'CLUSTER_MISMATCH',
      'peer',
      `${peer.dc} was cluster ${known} before and is cluster ${peer.clusterId} now`,
      { hint: `if ${peer.dc} really has a new cluster, give it a new name: positions belong to the old one` },
    )
}
