import { setTimeout as delay } from 'node:timers/promises'
import { vi } from 'vitest'
import type { Clock } from '../../../src/component.ts'
import type { GatewayError } from '../../../src/errors.ts'
import { PeerBreaker } from '../../../src/link/breaker.ts'
import { type BreakerSettings, DEFAULT_BREAKER_SETTINGS } from '../../../src/link/breaker-policy.ts'
import { dialPeer, type LinkOptions, type PeerLink } from '../../../src/link/dial.ts'
import type {
  KnownClusters,
  LinkListener,
  LinkLog,
  PullSession,
  SessionFacts,
  SessionObserver,
} from '../../../src/link/ports.ts'
import { type ReplicationServer, type ReplicationServerOptions, replicationServer } from '../../../src/link/server.ts'
import type {
  CatalogTopic,
  ClosedMessage,
  FrameMessage,
  OpenedMessage,
  ProgressMessage,
} from '../../../src/route/pull.ts'
import { FakeSource } from './fake-source.ts'

/** Both halves of a link on loopback, with a source and an ingest that a test steers. */

export const wallClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
}

export const eventually = (check: () => void, timeoutMs = 10_000) =>
  vi.waitFor(check, { timeout: timeoutMs, interval: 10 })

export class Log implements LinkLog {
  readonly lines: string[] = []
  info(_fields: object, message: string) {
    this.lines.push(`info ${message}`)
  }
  warn(_fields: object, message: string) {
    this.lines.push(`warn ${message}`)
  }
  error(_fields: object, message: string) {
    this.lines.push(`error ${message}`)
  }
}

/** What operators would hear of sessions. */
export class Sessions implements SessionObserver {
  readonly openings: SessionFacts[] = []
  readonly ends: [SessionFacts, GatewayError | undefined][] = []
  readonly refusals: [SessionFacts, GatewayError][] = []
  opened(session: SessionFacts) {
    this.openings.push(session)
  }
  ended(session: SessionFacts, error: GatewayError | undefined) {
    this.ends.push([session, error])
  }
  refused(session: SessionFacts, error: GatewayError) {
    this.refusals.push([session, error])
  }
}

export class Clusters implements KnownClusters {
  readonly known = new Map<string, string>()
  get(dc: string) {
    return this.known.get(dc)
  }
  remember(dc: string, clusterId: string) {
    this.known.set(dc, clusterId)
  }
}

/** Remembers everything that ingest would be told. */
export class Recorder implements LinkListener {
  session: PullSession | undefined
  readonly ups: { session: PullSession; lanes: number }[] = []
  readonly laneSteps: number[] = []
  readonly catalogs: { topics: readonly CatalogTopic[]; removed: readonly string[]; full: boolean }[] = []
  readonly openedMessages: OpenedMessage[] = []
  readonly frames: FrameMessage[] = []
  readonly progresses: ProgressMessage[] = []
  readonly closedMessages: ClosedMessage[] = []
  readonly downs: string[] = []
  onUp: (session: PullSession) => void = () => {}
  onFrame: (session: PullSession, frame: FrameMessage) => void = () => {}

  up(session: PullSession, lanesAllowed: number) {
    this.session = session
    this.ups.push({ session, lanes: lanesAllowed })
    this.onUp(session)
  }
  lanes(_session: PullSession, lanesAllowed: number) {
    this.laneSteps.push(lanesAllowed)
  }
  catalog(_session: PullSession, topics: readonly CatalogTopic[], removed: readonly string[], full: boolean) {
    this.catalogs.push({ topics, removed, full })
  }
  opened(_session: PullSession, message: OpenedMessage) {
    this.openedMessages.push(message)
  }
  frame(session: PullSession, message: FrameMessage) {
    this.frames.push(message)
    this.onFrame(session, message)
  }
  progress(_session: PullSession, message: ProgressMessage) {
    this.progresses.push(message)
  }
  closed(_session: PullSession, message: ClosedMessage) {
    this.closedMessages.push(message)
  }
  down(_session: PullSession, reason: string) {
    this.session = undefined
    this.downs.push(reason)
  }
}

/** Fast enough for a test, slow enough for a loaded machine. */
export const QUICK_BREAKER: BreakerSettings = {
  ...DEFAULT_BREAKER_SETTINGS,
  openTimeoutMs: 1_000,
  stalledAfterMs: 1_500,
  retryAfterMs: 200,
  retryMaxMs: 1_000,
  slowStartMs: 400,
}

export interface SourceNode {
  readonly server: ReplicationServer
  readonly source: FakeSource
  readonly log: Log
  readonly port: number
}

/** Everything started here is stopped by `close`, in reverse. */
export class Rig {
  readonly #stops: (() => Promise<unknown> | unknown)[] = []

  onClose(stop: () => Promise<unknown> | unknown): void {
    this.#stops.push(stop)
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop()
  }

  async source(more: Partial<ReplicationServerOptions> & { node?: string } = {}): Promise<SourceNode> {
    const source = new FakeSource()
    const log = new Log()
    const { node = 'eu-1', ...options } = more
    const server = replicationServer({
      listen: { host: '127.0.0.1', port: 0 },
      identity: () => ({ dc: 'eu', node, clusterId: 'cluster-eu', paths: [{ origin: 'eu', via: [] }] }),
      configured: dc => dc === 'us',
      source,
      knownClusters: new Clusters(),
      maxReplicationHops: 3,
      clock: wallClock,
      log,
      ...options,
    })
    await server.start()
    this.onClose(() => server.stop(1_000))
    return { server, source, log, port: server.port }
  }

  async link(
    ports: readonly number[],
    more: Partial<LinkOptions> & { settings?: Partial<BreakerSettings>; pausedFor?: string } = {},
  ): Promise<{ link: PeerLink; ingest: Recorder; breaker: PeerBreaker; log: Log }> {
    const ingest = new Recorder()
    const log = new Log()
    const world = { clock: wallClock, random: () => 0, log }
    const breaker = more.breaker ?? new PeerBreaker('eu', { ...QUICK_BREAKER, ...more.settings }, world)
    const link = dialPeer({
      peer: 'eu',
      origin: 'eu',
      addresses: ports.map(port => ({ host: '127.0.0.1', port })),
      listener: ingest,
      progress: { outstanding: () => false, lastMovedMonotonicMs: () => 0 },
      identity: () => ({ dc: 'us', node: 'us-1', clusterId: 'cluster-us', paths: [{ origin: 'us', via: [] }] }),
      knownClusters: new Clusters(),
      maxReplicationHops: 3,
      ...world,
      ...more,
      breaker,
    })
    if (more.pausedFor !== undefined) link.pause(more.pausedFor)
    await link.start()
    this.onClose(async () => {
      await link.stop(1_000)
      breaker.stop()
    })
    return { link, ingest, breaker, log }
  }
}
