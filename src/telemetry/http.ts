import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Component } from '../component.ts'
import { GatewayError } from '../errors.ts'
import type { Exposition } from './instruments.ts'

/** One thing that must hold before the node counts as ready, and what is the matter when it does not. */
export interface ReadinessCheck {
  readonly name: string
  readonly ok: boolean
  readonly why?: string
}

export interface HttpOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly metrics: Exposition
  /** Quick and from memory; asked at each request to /readyz. */
  readonly readiness: () => readonly ReadinessCheck[]
}

export interface HttpServer extends Component {
  /** The port in use, once started. */
  port(): number
}

const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 100

/**
 * `/metrics` for Prometheus; `/healthz`: 200 as long as the process answers; `/readyz`: 200 when every check holds,
 * else 503; both as JSON with what is the matter. Knows GET and HEAD, reads no bodies.
 */
export function httpServer({ listen, metrics, readiness }: HttpOptions): HttpServer {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      answer(request, response, metrics, readiness).catch(() => response.destroy())
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  return {
    name: 'http',
    async start() {
      server.listen(listen.port, listen.host)
      try {
        await once(server, 'listening')
      } catch (cause) {
        const message = `cannot listen on ${listen.host}:${listen.port} for listen.http`
        throw new GatewayError('CONFIG_INVALID', 'process', message, {
          cause,
          hint: 'is another gateway running? give listen.http a free port',
        })
      }
    },
    async stop(deadlineMs) {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), deadlineMs)
      await closed
      clearTimeout(timer)
    },
    port: () => (server.address() as AddressInfo | null)?.port ?? listen.port,
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  metrics: Exposition,
  readiness: HttpOptions['readiness'],
): Promise<void> {
  const send = (status: number, type: string, body: string) =>
    response
      .writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
      .end(request.method === 'HEAD' ? '' : body)
  const json = (status: number, body: unknown) => send(status, 'application/json', `${JSON.stringify(body)}\n`)
  if (request.method !== 'GET' && request.method !== 'HEAD') return void json(405, { error: 'only GET is known here' })
  switch (request.url?.split('?')[0]) {
    case '/metrics':
      return void send(200, metrics.contentType, await metrics.text())
    case '/healthz':
      return void json(200, { status: 'alive' })
    case '/readyz': {
      const checks = readiness()
      const ready = checks.every(check => check.ok)
      return void json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks })
    }
    default:
      return void json(404, { error: 'not here; try /metrics, /healthz or /readyz' })
  }
}
