import type { ServerWritableStream } from '@grpc/grpc-js'
import { eventMessage } from './messages.ts'
import type { EventSource, EventView } from './ports.ts'

const BACKLOG_DEFAULT = 100
const BACKLOG_MAX = 1000
/** Events kept for a client that does not read; beyond it they are left out and their number is told. */
const UNREAD_MAX = 1000

export interface WatchRequest {
  readonly afterSequence: number
  readonly backlog: number
  readonly names: readonly string[]
  readonly once: boolean
}

type WatchStream = ServerWritableStream<WatchRequest, unknown>

/** Kept events, then live ones until the client cancels. A client that does not read costs UNREAD_MAX events. */
export function watchEvents(stream: WatchStream, events: EventSource, levelOf: (name: string) => string): void {
  const { afterSequence, backlog, names, once } = stream.request
  const wanted = (event: EventView) => names.length === 0 || names.includes(event.name)
  const unread: EventView[] = []
  let blocked = false
  let missed = 0
  const flush = () => {
    blocked = false
    while (!blocked && unread.length > 0) {
      blocked = !stream.write({ event: eventMessage(unread.shift()!, levelOf), missed })
      missed = 0
    }
  }
  const offer = (event: EventView) => {
    if (!wanted(event)) return
    if (unread.length >= UNREAD_MAX) {
      unread.shift()
      missed++
    }
    unread.push(event)
    if (!blocked) flush()
  }
  const limit = backlog < 0 ? 0 : Math.min(backlog || BACKLOG_DEFAULT, BACKLOG_MAX)
  if (limit > 0)
    for (const event of events.recent(BACKLOG_MAX, afterSequence).filter(wanted).slice(-limit)) offer(event)
  if (once) {
    stream.end()
    return
  }
  const stop = events.subscribe(offer)
  stream.on('drain', flush)
  stream.on('cancelled', stop)
  stream.on('close', stop)
  stream.on('error', stop)
}
