import {
  apiVersionsV3,
  type Connection,
  saslAuthenticateV2,
  saslHandshakeV1,
  saslPlain,
  saslScramSha,
} from '@platformatic/kafka'
import { GatewayError } from '../errors.ts'
import { asLibraryConnection, call } from './call.ts'
import type { ClusterConfig, SaslSettings } from './cluster-config.ts'
import { type BrokerAddress, BrokerConnection, CONNECT_TIMEOUT_MS, type VersionRange } from './connection.ts'
import { failureFor } from './error-table.ts'
import { KafkaFailure } from './failure.ts'
import type { PauseGuard } from './pause-guard.ts'

const SOFTWARE_NAME = 'isthmus'
const SOFTWARE_VERSION = '0.1.0'
/** A session is left at this part of its lifetime, before the broker closes it (KIP-368). */
const SESSION_PART = 0.8

/**
 * Connects, learns the broker's request versions, and authenticates.
 * Rejects with KafkaFailure (`retriable` when the broker cannot be reached, `denied` for credentials) or
 * GatewayError BROKER_TOO_OLD.
 */
export async function openConnection(
  address: BrokerAddress,
  config: ClusterConfig,
  guard: PauseGuard,
): Promise<BrokerConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const connection = new BrokerConnection(address, config, guard, resolve)
  connection.onClose(reject)
  const late = setTimeout(
    () => connection.close(unreachable(address, `no connection in ${CONNECT_TIMEOUT_MS} ms`)),
    CONNECT_TIMEOUT_MS,
  )
  try {
    await promise
    // ApiVersions comes first: a broker answers it before authentication, and nothing but SASL after SaslHandshake.
    connection.versions = await learnVersions(connection)
    if (config.sasl !== undefined) await authenticate(connection, config.sasl)
    return connection
  } catch (error) {
    const failure = openingFailure(address, error)
    if (connection.closedBy === undefined) connection.close(unreachable(address, 'the handshake failed'))
    throw failure
  } finally {
    clearTimeout(late)
  }
}

async function learnVersions(connection: BrokerConnection): Promise<Map<number, VersionRange>> {
  const { address } = connection
  const response = await call(connection, apiVersionsV3.api, SOFTWARE_NAME, SOFTWARE_VERSION)
  if (response.errorCode !== 0) {
    throw new GatewayError(
      'BROKER_TOO_OLD',
      'process',
      `broker ${address.host}:${address.port} does not offer ApiVersions v3`,
      {
        cause: failureFor(response.errorCode, 'ApiVersions'),
        hint: 'Kafka 3.6 or later is needed.',
      },
    )
  }
  const versions = new Map<number, VersionRange>()
  for (const { apiKey, minVersion, maxVersion } of response.apiKeys)
    versions.set(apiKey, { min: minVersion, max: maxVersion })
  return versions
}

async function authenticate(connection: BrokerConnection, sasl: SaslSettings): Promise<void> {
  const what = `SASL ${sasl.mechanism} at ${connection.address.host}:${connection.address.port} as ${sasl.username}`
  const handshake = await call(connection, saslHandshakeV1.api, sasl.mechanism)
  if (handshake.errorCode !== 0) {
    throw failureFor(handshake.errorCode, what, `the listener offers ${handshake.mechanisms.join(', ') || 'none'}`)
  }
  const library = asLibraryConnection(connection)
  const { sessionLifetimeMs } = await saslExchange(library, sasl).catch(error => {
    const failure = connection.closedBy
    throw failure ?? new KafkaFailure('denied', 'SASL_AUTHENTICATION_FAILED', `${what}: refused`, { cause: error })
  })
  if (sessionLifetimeMs > 0n) {
    // Leaving is simpler than to authenticate again in place, which wants the connection quiet.
    const timer = setTimeout(() => connection.retire(), Number(sessionLifetimeMs) * SESSION_PART)
    timer.unref()
    connection.onClose(() => clearTimeout(timer))
  }
}

async function saslExchange(library: Connection, sasl: SaslSettings): Promise<{ sessionLifetimeMs: bigint }> {
  const { api } = saslAuthenticateV2
  if (sasl.mechanism === 'PLAIN') return await saslPlain.authenticate(api, library, sasl.username, sasl.password)
  const algorithm = sasl.mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
  return await saslScramSha.authenticate(api, library, algorithm, sasl.username, sasl.password)
}

/** Nothing but the handshake was sent, so whatever ended it, nothing of the caller's was done. */
function openingFailure(address: BrokerAddress, error: unknown): unknown {
  if (error instanceof GatewayError) return error
  if (error instanceof KafkaFailure && error.kind === 'denied') return error
  if (!(error instanceof KafkaFailure)) return unreachable(address, String(error), error)
  // It names the broker already.
  return new KafkaFailure('retriable', 'CONNECTION_FAILED', error.message, { cause: error, refresh: true })
}

function unreachable(address: BrokerAddress, why: string, cause?: unknown): KafkaFailure {
  return new KafkaFailure('retriable', 'CONNECTION_FAILED', `broker ${address.host}:${address.port}: ${why}`, {
    cause,
    refresh: true,
  })
}
