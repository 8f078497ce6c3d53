/** How the gateways fetch from each other: `via` of every peer follows from it. The first dc is the middle of a hub or star. */
export const TOPOLOGIES = ['mesh', 'hub', 'star', 'chain', 'ring'] as const
export type Topology = (typeof TOPOLOGIES)[number]

export interface LocalOptions {
  /** Holds data, logs, configs and `local.json`. Default `.isthmus/local` of the checkout. */
  readonly dir?: string
  /** Default eu, us, ap. */
  readonly dcs?: readonly string[]
  /** Gateway nodes per data center, default 1. */
  readonly nodes?: number
  /** Brokers per data center, default 1. With 3 and more: replication factor 3, min ISR 2. */
  readonly brokers?: number
  /** `started` (default); `prepared`: ports, proxies and configs exist, `start(node)` starts one; `none`. */
  readonly gateways?: 'started' | 'prepared' | 'none'
  /** Default true. */
  readonly redis?: boolean
  /** Kafka's version, default 4.3.1; the jars must be there (`node scripts/setup.mjs --kafka VERSION`). */
  readonly kafka?: string
  /** Lines of server.properties for every broker, over the defaults. */
  readonly brokerConfig?: Readonly<Record<string, string>>
  readonly topology?: Topology
  /** `topics.include` of every gateway, default all. */
  readonly include?: readonly string[]
  /** Merged deeply into every gateway's config; a function may answer differently per node. */
  readonly configExtra?: ConfigTree | ((dc: string, node: string) => ConfigTree)
  /** Arguments to Node for every gateway, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[]
  /** Round trip added to every path between data centers, default 0. */
  readonly wanDelayMs?: number
  /** Told about each step of starting; for a terminal. */
  readonly onStep?: (text: string) => void
}

export type ConfigTree = { readonly [key: string]: unknown }

/** What `DIR/local.json` holds. Ports stay the same over `stop`, `kill` and `start`; `pid` is null while down. */
export interface LocalInfo {
  readonly dcs: Readonly<Record<string, DcInfo>>
}

export interface DcInfo {
  /** Bootstrap servers, comma-separated host:port. */
  readonly kafka: string
  /** redis://host:port, null when started without. */
  readonly redis: string | null
  readonly brokers: readonly { readonly id: number; readonly port: number; readonly pid: number | null }[]
  readonly gateways: readonly GatewayInfo[]
}

export interface GatewayInfo {
  readonly node: string
  readonly pid: number | null
  /** host:port of the replication listener itself; peers reach it through the WAN proxy. */
  readonly replication: string
  /** host:port of the admin gRPC listener. */
  readonly admin: string
  /** http://host:port of console, metrics and health. */
  readonly http: string
  /** Path of its YAML. */
  readonly config: string
}

export type ProcessKind = 'kafka' | 'redis' | 'gateway'

/** `down`: stopped or killed on request, or not started yet. `exited`: ended by itself, which is worth a look at its log. */
export type ProcessState = 'starting' | 'running' | 'paused' | 'down' | 'exited'

export interface ProcessStatus {
  /** `eu-1`, `kafka-eu-1`, `redis-eu`. */
  readonly name: string
  readonly kind: ProcessKind
  readonly dc: string
  readonly state: ProcessState
  readonly pid: number | null
  readonly log: string
  /** How it ended last: an exit code or a signal's name. */
  readonly ended?: string
}

/**
 * One change of a WAN path.
 * - `cut`: connections are reset and new ones refused
 * - `blackhole`: connections stay and are accepted, bytes are swallowed
 * - `delay`: round trip added (half each way); `rate`: bytes per second each way; null takes the limit away
 * - `reset-every`: all connections of the path are reset every so many ms; null stops it
 * - `heal`: back to the delay that `wanDelayMs` gave at the start, everything else off
 */
export type WanChange =
  | { readonly kind: 'cut' }
  | { readonly kind: 'blackhole' }
  | { readonly kind: 'delay'; readonly roundTripMs: number | null }
  | { readonly kind: 'rate'; readonly bytesPerSecond: number | null }
  | { readonly kind: 'reset-every'; readonly intervalMs: number | null }
  | { readonly kind: 'heal' }

export interface WanOptions {
  /** Only bytes that travel from the first named dc to the second (`blackhole`, `delay`, `rate`). */
  readonly oneWay?: boolean
}

/** State of what travels in one direction between two data centers, over all connections whoever dialled them. */
export interface WanDirection {
  readonly from: string
  readonly to: string
  readonly state: 'open' | 'cut' | 'blackhole'
  /** One way. */
  readonly delayMs: number
  readonly bytesPerSecond: number | null
  readonly resetEveryMs: number | null
  readonly connections: number
  /** Delivered since the start. */
  readonly bytes: number
}

export interface LocalStatus {
  readonly dir: string
  readonly supervisorPid: number
  readonly processes: readonly ProcessStatus[]
  readonly wan: readonly WanDirection[]
}

/** Running local data centers. Owned by the process that started them: when it ends, in whatever way, they end. */
export interface LocalHandle {
  readonly dir: string
  info(): LocalInfo
  status(): LocalStatus
  /** SIGKILL; resolves when the process is gone. It stays down until `start`. */
  kill(name: string): Promise<void>
  /** SIGTERM, SIGKILL after 15 s; resolves when the process is gone. */
  stop(name: string): Promise<void>
  /** Same ports, same data; resolves when it is ready. */
  start(name: string): Promise<void>
  /** SIGSTOP and SIGCONT. */
  pause(name: string): void
  resume(name: string): void
  /** `path` is `eu-us`. Takes effect on open connections too. */
  wan(path: string, change: WanChange, options?: WanOptions): void
  /** Ends everything, removes the data, keeps the logs. Safe to call twice. */
  down(): Promise<void>
}
