import { createRequire } from 'node:module'
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import type { ClusterConfig } from './cluster-config.ts'

/** Where the library's log goes. */
export type LogSink = (level: 'debug' | 'info' | 'warn', message: string, fields: Record<string, unknown>) => void

const CONNECT_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 15_000
const MAX_RETRY_MS = 2_000

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

/**
 * A kafkajs client for group membership only. Its log goes to `log` for debugging only: what it calls an error (a
 * coordinator that is being created, a broker that restarts) is its daily work, and who uses it tells what matters.
 */
export function kafkajsClient(config: ClusterConfig, log: LogSink): Kafka {
  stopNegativeTimeouts()
  const options: KafkaConfig = {
    clientId: config.clientId,
    brokers: [...config.brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { initialRetryTime: 100, maxRetryTime: MAX_RETRY_MS, retries: 10 },
    logLevel: logLevel.INFO,
    logCreator:
      () =>
      ({ namespace, log: { message, timestamp: _, logger: _logger, ...fields } }) => {
        log('debug', `kafkajs ${namespace}: ${message}`, fields)
      },
  }
  if (config.tls !== undefined) {
    options.ssl = {
      ...config.tls,
      ca: config.tls.ca === undefined ? undefined : [config.tls.ca],
      cert: config.tls.cert,
      key: config.tls.key,
    } as NonNullable<KafkaConfig['ssl']>
  }
  if (config.sasl !== undefined) {
    const { username, password } = config.sasl
    options.sasl = { mechanism: config.sasl.mechanism.toLowerCase(), username, password } as SASLOptions
  }
  return new Kafka(options)
}

/**
 * kafkajs 2.2.4 checks its queue after "now minus never" ms when nothing is throttled, which Node 24 and later report on
 * the console. Without throttling and with nothing pending there is nothing to check.
 */
function stopNegativeTimeouts(): void {
  const load = createRequire(import.meta.url)
  const { prototype } = load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue & { patched?: true } }
  if (prototype.patched) return
  const original = prototype.scheduleCheckPendingRequests
  prototype.patched = true
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue & { throttledUntil: number }) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) original.call(this)
  }
}
