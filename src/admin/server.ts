import {
  status as Code,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { protoPath as HEALTH_PROTO, HealthImplementation } from 'grpc-health-check'
import type { Component } from '../component.ts'
import { GatewayError } from '../errors.ts'
import { linkMessage, memberMessage, statusMessage } from './messages.ts'
import { type PageRequest, pageOfLinks } from './paging.ts'
import { type EventSource, LOG_LEVEL_NAMES, type LogLevelName, type Operator, type StatusSource } from './ports.ts'
import { ADMIN_PACKAGE, ADMIN_SERVICE, ADMIN_SERVICE_NAME } from './service.ts'
import { asRefusal, refusal } from './status.ts'
import { type WatchRequest, watchEvents } from './watch.ts'

export interface AdminOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly source: StatusSource
  readonly operator: Operator
  readonly events: EventSource
  /** Level of an event by its name (telemetry/events.ts). */
  readonly eventLevel: (name: string) => string
}

export interface AdminServer extends Component {
  /** The port in use, once started. */
  port(): number
}

/** Nothing that a client says is long. */
const REQUEST_MAX_BYTES = 64 << 10
const RESPONSE_MAX_BYTES = 16 << 20
const KEEPALIVE_MS = 30_000
const HEALTH_EVERY_MS = 1000

/** `isthmus.admin.v1.Admin` with grpc.health.v1 and server reflection, in plain text: keep it on loopback. */
export function adminServer(options: AdminOptions): AdminServer {
  const server = new Server({
    'grpc.max_receive_message_length': REQUEST_MAX_BYTES,
    'grpc.max_send_message_length': RESPONSE_MAX_BYTES,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
  })
  server.addService(ADMIN_SERVICE, handlers(options))
  const health = new HealthImplementation({ '': 'NOT_SERVING', [ADMIN_SERVICE_NAME]: 'NOT_SERVING' })
  health.addToServer(server)
  new ReflectionService({ ...ADMIN_PACKAGE, ...loadSync(HEALTH_PROTO) }).addToServer(server)
  let healthTimer: NodeJS.Timeout | undefined
  let port = options.listen.port

  return {
    name: 'admin',
    async start() {
      port = await bind(server, options.listen)
      const tell = () => {
        const { checks } = options.source.status()
        const serving = checks.every(check => check.ok) ? 'SERVING' : 'NOT_SERVING'
        health.setStatus('', serving)
        health.setStatus(ADMIN_SERVICE_NAME, serving)
      }
      tell()
      healthTimer = setInterval(tell, HEALTH_EVERY_MS).unref()
    },
    async stop(deadlineMs) {
      clearInterval(healthTimer)
      health.setStatus('', 'NOT_SERVING')
      // Watchers never end by themselves: what is not done by the deadline is cut.
      const timer = setTimeout(() => server.forceShutdown(), Math.min(deadlineMs, STOP_PATIENCE_MS))
      await new Promise<void>(resolve => server.tryShutdown(() => resolve()))
      clearTimeout(timer)
    },
    port: () => port,
  }
}

/** How long answers may still be on their way when the server stops. */
const STOP_PATIENCE_MS = 500

function bind(server: Server, { host, port }: AdminOptions['listen']): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else
        reject(
          new GatewayError('CONFIG_INVALID', 'process', `cannot listen on ${address} for listen.admin`, {
            cause: error,
            hint: 'is another gateway running? give listen.admin a free port',
          }),
        )
    })
  })
}

function handlers({ source, operator, events, eventLevel }: AdminOptions) {
  return {
    GetStatus: unary(() => statusMessage(source.status(), source.links())),
    ListLinks: unary((request: PageRequest & { origin: string }) => listLinks(source, request)),
    WatchEvents: ((stream: Parameters<typeof watchEvents>[0]) => {
      watchEvents(stream, events, eventLevel)
    }) as handleServerStreamingCall<WatchRequest, unknown>,
    PauseLink: unary(async ({ origin, reason }: { origin: string; reason: string }) => {
      const link = linkOf(source, origin)
      return { link: link.name, ...(await operator.pauseLink(link.origin, reason)) }
    }),
    ResumeLink: unary(async ({ origin }: { origin: string }) => {
      const link = linkOf(source, origin)
      return { link: link.name, ...(await operator.resumeLink(link.origin)) }
    }),
    SetLogLevel: unary(({ level }: { level: string }) => {
      if (!LOG_LEVEL_NAMES.includes(level as LogLevelName))
        throw refusal(
          Code.INVALID_ARGUMENT,
          `"${level}" is not a log level`,
          `use one of ${LOG_LEVEL_NAMES.join(', ')}`,
        )
      return operator.setLogLevel(level as LogLevelName)
    }),
  }
}

function listLinks(source: StatusSource, request: PageRequest & { origin: string }) {
  if (request.pageSize < 0) throw refusal(Code.INVALID_ARGUMENT, 'page_size cannot be negative')
  const all = source.links()
  const origin = request.origin === '' ? undefined : linkOf(source, request.origin).origin
  const chosen = origin === undefined ? all : all.filter(link => link.origin === origin)
  const page = pageOfLinks(chosen, request)
  if (page === undefined)
    throw refusal(Code.INVALID_ARGUMENT, 'page_token is not one that this service gave', 'begin again without a token')
  return {
    links: page.links.map(({ link, topics }) => linkMessage(link, topics, request.partitions)),
    nextPageToken: page.nextPageToken,
    members: source.status().members.map(memberMessage),
  }
}

/** `eu` and `eu->us` both name the link from eu. */
function linkOf(source: StatusSource, named: string): { origin: string; name: string } {
  const { dc } = source.status()
  const origin = named.endsWith(`->${dc}`) ? named.slice(0, -`->${dc}`.length) : named
  const origins = source.links().map(link => link.origin)
  if (origins.includes(origin)) return { origin, name: `${origin}->${dc}` }
  if (named === '')
    throw refusal(Code.INVALID_ARGUMENT, 'origin is missing', 'name the data center that the link comes from')
  const known =
    origins.length === 0 ? 'it has no inbound link' : `it has ${origins.map(name => `${name}->${dc}`).join(', ')}`
  throw refusal(Code.NOT_FOUND, `${dc} has no link "${named}"; ${known}`)
}

function unary<Request, Response>(
  answer: (request: Request) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.try(answer, call.request).then(
      response => callback(null, response),
      error => callback(isRefusal(error) ? error : asRefusal(error)),
    )
  }
}

function isRefusal(error: unknown): error is ReturnType<typeof refusal> {
  return !(error instanceof Error) && typeof (error as { code?: unknown }).code === 'number'
}
