import { encodeRequest } from './codec.ts'
import type { TargetSays } from './messages.ts'

/** What the outbox needs of a gRPC stream. */
export interface RequestStream {
  write(message: Buffer): boolean
  once(event: 'drain', listener: () => void): unknown
}

/**
 * What the target has to say, sent once per turn of the event loop. Credit and acknowledgements are totals, so only the
 * latest of a lane or channel is kept while the source does not read: the outbox is bounded by channels and lanes.
 */
export class TargetOutbox {
  readonly #stream: RequestStream
  readonly #messages: TargetSays[] = []
  readonly #credits = new Map<number, number>()
  readonly #acks = new Map<number, number>()
  #scheduled = false
  #blocked = false
  #ended = false

  constructor(stream: RequestStream) {
    this.#stream = stream
  }

  say(message: TargetSays): void {
    this.#messages.push(message)
    this.#schedule()
  }

  credit(lane: number, bytes: number): void {
    this.#credits.set(lane, bytes)
    this.#schedule()
  }

  ack(channel: number, next: number): void {
    this.#acks.set(channel, next)
    this.#schedule()
  }

  forgetAck(channel: number): void {
    this.#acks.delete(channel)
  }

  end(): void {
    this.#ended = true
    this.#messages.length = 0
    this.#credits.clear()
    this.#acks.clear()
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked || this.#ended) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    let sent = 0
    for (const message of this.#messages) {
      if (this.#blocked) break
      this.#write(message)
      sent++
    }
    this.#messages.splice(0, sent)
    this.#flushTotals(this.#credits, (lane, bytes) => ({ kind: 'credit', lane, bytes }))
    this.#flushTotals(this.#acks, (channel, next) => ({ kind: 'ack', channel, next }))
  }

  #flushTotals(totals: Map<number, number>, message: (key: number, total: number) => TargetSays): void {
    for (const [key, total] of totals) {
      if (this.#blocked) return
      totals.delete(key)
      this.#write(message(key, total))
    }
  }

  #write(message: TargetSays): void {
    if (this.#ended || this.#stream.write(encodeRequest(message))) return
    this.#blocked = true
    this.#stream.once('drain', () => {
      this.#blocked = false
      this.#schedule()
    })
  }
}
