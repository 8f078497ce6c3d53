import { ChannelCredentials, Client, type ServiceError } from '@grpc/grpc-js'
import { GatewayError } from '../errors.ts'
import type { DialAddress } from './addresses.ts'
import { decodeResponse, encodeRequest } from './codec.ts'
import { type Expectations, judgeWelcome } from './handshake.ts'
import {
  KEEPALIVE_EVERY_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_PROTOCOL_VERSION,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  MIN_PROTOCOL_VERSION,
  RECEIVE_WINDOW_BYTES,
} from './limits.ts'
import type { WelcomeMessage } from './messages.ts'
import { fromStatus } from './status.ts'
import { type PullStream, type SessionTerms, TargetSession } from './target-session.ts'
import { PULL_METHOD } from './wire.ts'

/** Everything about a session that is known before it is welcome. */
export type DialTerms = Omit<SessionTerms, 'address' | 'path' | 'welcome'> & {
  readonly expectations: Expectations
  readonly openTimeoutMs: number
  /** The door for mutual TLS. Absent: plain text (`tls: none`). */
  readonly credentials?: ChannelCredentials
}

const CLIENT_OPTIONS = {
  // 98 MB/s at 80 ms round trip; the default window gives 0.5.
  'grpc-node.flow_control_window': RECEIVE_WINDOW_BYTES,
  'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
  'grpc.max_send_message_length': MAX_REQUEST_BYTES,
  'grpc.keepalive_time_ms': KEEPALIVE_EVERY_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  // Sessions are replaced by the link, which knows where to go on; a retried stream would not.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // One connection per session: links do not share a window, and an end really closes it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
}

/**
 * Dials one node and shakes hands. Rejects with PEER_UNREACHABLE (no answer, no Welcome within `openTimeoutMs`, aborted)
 * or with what the handshake or the peer objects to: PEER_REFUSED, CLUSTER_MISMATCH, LOOP_DETECTED, PEER_PROTOCOL.
 * The session reads nothing until `begin`.
 */
export function openSession(address: DialAddress, terms: DialTerms, signal: AbortSignal): Promise<TargetSession> {
  const client = new Client(address.target, terms.credentials ?? ChannelCredentials.createInsecure(), {
    ...CLIENT_OPTIONS,
    'grpc.default_authority': address.authority,
  })
  const stream = client.makeBidiStreamRequest(
    PULL_METHOD.path,
    PULL_METHOD.requestSerialize,
    PULL_METHOD.responseDeserialize,
  )
  const opening = shakeHands(stream, address, terms, signal)
  opening.then(
    session => session.ended.then(() => client.close()),
    () => {
      // A cancelled stream reports that as an error, which nobody needs any more.
      stream.on('error', () => {})
      stream.cancel()
      client.close()
    },
  )
  return opening
}

function shakeHands(
  stream: PullStream,
  address: DialAddress,
  terms: DialTerms,
  signal: AbortSignal,
): Promise<TargetSession> {
  const name = address.authority
  return new Promise<TargetSession>((resolve, reject) => {
    const unreachable = (what: string) =>
      settle(() => reject(new GatewayError('PEER_UNREACHABLE', 'peer', `${terms.dialled} (${name}): ${what}`)))
    const timer = setTimeout(() => unreachable(`no Welcome within ${terms.openTimeoutMs} ms`), terms.openTimeoutMs)
    const onAbort = () => unreachable('given up')
    const onError = (error: ServiceError) => settle(() => reject(fromStatus(error, terms.dialled, name)))
    const onEnd = () => unreachable('ended without a Welcome')
    const onData = (bytes: Buffer) => {
      // Nothing more is read before ingest is told of the session.
      stream.pause()
      settle(() => {
        try {
          const welcome = welcomeIn(bytes)
          const path = judgeWelcome(welcome, terms.dialled, terms.origin, terms.expectations)
          terms.expectations.knownClusters.remember(welcome.dc, welcome.clusterId)
          resolve(new TargetSession(stream, { ...terms, address: name, path, welcome }))
          stream.pause()
        } catch (error) {
          reject(error)
        }
      })
    }
    function settle(outcome: () => void): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      stream.off('data', onData).off('error', onError).off('end', onEnd)
      outcome()
    }
    signal.addEventListener('abort', onAbort)
    stream.on('data', onData).on('error', onError).on('end', onEnd)
    stream.write(encodeRequest({ kind: 'hello', hello: helloOf(terms) }))
    if (signal.aborted) onAbort()
  })
}

function helloOf(terms: DialTerms) {
  const { dc, node, clusterId, paths } = terms.expectations.ours
  const { origin, maxBatchBytes } = terms
  const versions = { minVersion: MIN_PROTOCOL_VERSION, maxVersion: MAX_PROTOCOL_VERSION }
  return { ...versions, dc, node, clusterId, origin, paths, maxBatchBytes }
}

function welcomeIn(bytes: Buffer): WelcomeMessage {
  const says = decodeResponse(bytes)
  if (says.kind === 'welcome') return says.welcome
  throw new GatewayError('PEER_PROTOCOL', 'peer', `the source sent ${says.kind} before Welcome`)
}
