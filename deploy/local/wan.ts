import { connect, createServer, type Server, type Socket } from 'node:net'
import type { WanChange, WanDirection, WanOptions } from './types.ts'
import { DelayLine, type LineConditions } from './wan-line.ts'

interface Connection {
  readonly client: Socket
  readonly upstream: Socket | undefined
  readonly lines: readonly DelayLine[]
  readonly dialledBy: string
}

/** Two data centers and everything between them, both ways. */
interface WanPath {
  readonly ends: readonly [string, string]
  /** Key: where the bytes come from. */
  readonly conditions: ReadonlyMap<string, LineConditions>
  readonly connections: Set<Connection>
  isCut: boolean
  resetEveryMs: number | null
  resetTimer: NodeJS.Timeout | undefined
}

/** Every connection between gateways of different data centers goes through here and meets what its path is told to do. */
export class Wan {
  private readonly paths: WanPath[] = []
  private readonly servers: Server[] = []
  private readonly initialDelayMs: number

  /** `roundTripMs` is what every path has at first and after `heal`. */
  constructor(dcs: readonly string[], roundTripMs: number) {
    this.initialDelayMs = roundTripMs / 2
    dcs.forEach((a, index) => {
      for (const b of dcs.slice(index + 1)) this.paths.push(this.newPath(a, b))
    })
  }

  private newPath(a: string, b: string): WanPath {
    const fresh = (): LineConditions => ({
      delayMs: this.initialDelayMs,
      bytesPerSecond: null,
      blackhole: false,
      delivered: 0,
      freeAtMs: 0,
    })
    return {
      ends: [a, b],
      conditions: new Map([
        [a, fresh()],
        [b, fresh()],
      ]),
      connections: new Set(),
      isCut: false,
      resetEveryMs: null,
      resetTimer: undefined,
    }
  }

  /** Opens the door at `listenPort` through which `from` reaches the port `targetPort` of `to`. */
  async addDoor(from: string, to: string, listenPort: number, targetPort: number): Promise<void> {
    const path = this.find(from, to)
    const server = createServer({ allowHalfOpen: true, noDelay: true }, client =>
      accept(path, from, to, client, targetPort),
    )
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listenPort, '127.0.0.1', resolve)
    })
    this.servers.push(server)
  }

  /** Changes the path `a-b`; see WanChange. Throws when there is no such path. */
  change(name: string, change: WanChange, { oneWay = false }: WanOptions = {}): void {
    const { path, from } = this.parse(name)
    const directions = oneWay ? [path.conditions.get(from)!] : [...path.conditions.values()]
    switch (change.kind) {
      case 'cut':
        path.isCut = true
        resetAll(path)
        break
      case 'blackhole':
        for (const direction of directions) direction.blackhole = true
        break
      case 'delay':
        for (const direction of directions) direction.delayMs = (change.roundTripMs ?? 0) / 2
        break
      case 'rate':
        for (const direction of directions) {
          direction.bytesPerSecond = change.bytesPerSecond
          direction.freeAtMs = 0
        }
        break
      case 'reset-every':
        setResets(path, change.intervalMs)
        break
      case 'heal':
        this.heal(path)
        break
    }
  }

  private heal(path: WanPath): void {
    path.isCut = false
    setResets(path, null)
    for (const direction of path.conditions.values()) {
      direction.blackhole = false
      direction.delayMs = this.initialDelayMs
      direction.bytesPerSecond = null
      direction.freeAtMs = 0
    }
    // A connection that lost bytes would go on with a hole in its stream, which no network does.
    resetAll(path, connection => connection.upstream === undefined || connection.lines.some(line => line.torn))
  }

  state(): WanDirection[] {
    return this.paths.flatMap(path =>
      path.ends.map((from, at) => {
        const conditions = path.conditions.get(from)!
        return {
          from,
          to: path.ends[1 - at]!,
          state: path.isCut ? 'cut' : conditions.blackhole ? 'blackhole' : 'open',
          delayMs: conditions.delayMs,
          bytesPerSecond: conditions.bytesPerSecond,
          resetEveryMs: path.resetEveryMs,
          connections: [...path.connections].filter(({ dialledBy }) => dialledBy === from).length,
          bytes: conditions.delivered,
        }
      }),
    )
  }

  async close(): Promise<void> {
    const closed = this.servers.map(server => new Promise<void>(resolve => server.close(() => resolve())))
    for (const path of this.paths) {
      setResets(path, null)
      resetAll(path)
    }
    await Promise.all(closed)
  }

  private find(a: string, b: string): WanPath {
    const path = this.paths.find(({ ends }) => ends.includes(a) && ends.includes(b))
    if (path === undefined || a === b) throw new Error(`there is no path ${a}-${b}`)
    return path
  }

  /** Names of data centers may hold dashes, so the paths that exist decide where to split. */
  private parse(name: string): { path: WanPath; from: string } {
    for (const path of this.paths) {
      const [a, b] = path.ends
      if (name === `${a}-${b}`) return { path, from: a }
      if (name === `${b}-${a}`) return { path, from: b }
    }
    const known = this.paths.map(({ ends }) => ends.join('-')).join(', ')
    throw new Error(`there is no path ${name}; there are ${known || 'none'}`)
  }
}

function accept(path: WanPath, from: string, to: string, client: Socket, targetPort: number): void {
  client.on('error', () => {})
  if (path.isCut) {
    client.resetAndDestroy()
    return
  }
  const [there, back] = [path.conditions.get(from)!, path.conditions.get(to)!]
  // In a black hole not even the first packet arrives: the other end never hears of this connection.
  const upstream = there.blackhole
    ? undefined
    : connect({ port: targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  if (upstream === undefined) client.resume()
  const lines =
    upstream === undefined ? [] : [new DelayLine(client, upstream, there), new DelayLine(upstream, client, back)]
  const connection: Connection = { client, upstream, lines, dialledBy: from }
  path.connections.add(connection)
  upstream?.on('error', () => end(path, connection, back))
  client.on('error', () => end(path, connection, there))
  for (const socket of [client, upstream])
    socket?.on('close', () => {
      if (client.destroyed && upstream?.destroyed !== false) forget(path, connection)
    })
}

/** One end broke off. The other hears of it, unless that news would have to cross a black hole. */
function end(path: WanPath, connection: Connection, conditions: LineConditions): void {
  if (conditions.blackhole) return
  reset(connection)
  forget(path, connection)
}

function forget(path: WanPath, connection: Connection): void {
  for (const line of connection.lines) line.close()
  path.connections.delete(connection)
}

function reset(connection: Connection): void {
  connection.client.resetAndDestroy()
  connection.upstream?.resetAndDestroy()
}

function resetAll(path: WanPath, which: (connection: Connection) => boolean = () => true): void {
  for (const connection of [...path.connections].filter(which)) {
    reset(connection)
    forget(path, connection)
  }
}

function setResets(path: WanPath, intervalMs: number | null): void {
  clearInterval(path.resetTimer)
  path.resetEveryMs = intervalMs
  path.resetTimer = intervalMs === null ? undefined : setInterval(() => resetAll(path), intervalMs)
}
