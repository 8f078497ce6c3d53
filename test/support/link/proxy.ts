import { connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP path that can be told to behave badly. */
export class TcpProxy {
  /** `swallow`: connections are accepted and nothing passes, in either direction. */
  mode: 'pass' | 'refuse' | 'swallow' = 'pass'
  accepted = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #target: number

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer({ noDelay: true }, socket => this.#accept(socket))
  }

  static async to(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(socket: Socket): void {
    this.accepted++
    this.#keep(socket)
    if (this.mode === 'refuse') {
      socket.resetAndDestroy()
      return
    }
    const upstream = connect({ port: this.#target, host: '127.0.0.1', noDelay: true })
    this.#keep(upstream)
    this.#pipe(socket, upstream)
    this.#pipe(upstream, socket)
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #pipe(from: Socket, to: Socket): void {
    from.on('data', bytes => {
      if (this.mode !== 'swallow') to.write(bytes)
    })
    from.on('close', () => to.destroy())
  }
}
