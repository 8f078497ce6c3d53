import type { API, Connection } from '@platformatic/kafka'
import { protocolAPIsById } from '@platformatic/kafka'
import { GatewayError } from '../errors.ts'
import type { BrokerConnection } from './connection.ts'
import { KafkaFailure } from './failure.ts'

/** The library's codecs use nothing of its own Connection but `send`, which ours has. */
export function asLibraryConnection(connection: BrokerConnection): Connection {
  return connection as unknown as Connection
}

/**
 * One request through a codec of @platformatic/kafka. Resolves with the response **also when it carries error codes**:
 * the stock parsers throw if any part of a response failed, and the parts that did not would be lost. Every caller
 * reads every error code.
 * Rejects with KafkaFailure when there is no answer, and GatewayError BROKER_TOO_OLD when the broker lacks the version.
 */
export function call<Request extends unknown[], Response>(
  connection: BrokerConnection,
  api: API<Request, Response>,
  ...request: Request
): Promise<Response> {
  const tooOld = missingVersion(connection, api.key, api.version)
  if (tooOld !== undefined) return Promise.reject(tooOld)
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, response?: Response) => {
      if (error === null) return resolve(noteThrottle(connection, response as Response))
      const { response: partial } = error as { response?: Response }
      if (partial !== undefined) return resolve(noteThrottle(connection, partial))
      reject(
        error instanceof KafkaFailure
          ? error
          : new KafkaFailure('fatal', 'MALFORMED_RESPONSE', error.message, { cause: error }),
      )
    }
    const plain = api as unknown as (connection: Connection, ...rest: unknown[]) => void
    plain(asLibraryConnection(connection), ...request, done)
  })
}

/** The error to fail with when a broker does not offer a request version; undefined when it does. */
export function missingVersion(
  connection: BrokerConnection,
  apiKey: number,
  version: number,
): GatewayError | undefined {
  // Before the handshake nothing is known, and ApiVersions and SaslHandshake are what one asks with.
  if (connection.versions.size === 0 || connection.supports(apiKey, version)) return undefined
  const name = (protocolAPIsById as Record<number, string>)[apiKey] ?? `request ${apiKey}`
  const offered = connection.versions.get(apiKey)
  const range = offered === undefined ? 'does not offer it at all' : `offers ${offered.min} to ${offered.max}`
  const { host, port } = connection.address
  return new GatewayError(
    'BROKER_TOO_OLD',
    'process',
    `${name} v${version} is needed; broker ${host}:${port} ${range}`,
    {
      hint: 'Kafka 3.6 or later is needed.',
    },
  )
}

function noteThrottle<Response>(connection: BrokerConnection, response: Response): Response {
  const { throttleTimeMs } = response as { throttleTimeMs?: number }
  if (throttleTimeMs !== undefined) connection.throttled(throttleTimeMs)
  return response
}
