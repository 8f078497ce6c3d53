import type { FrameSink, SourceSession, SourceSide } from '../../../src/link/ports.ts'
import type { OpenRequest, PeerIdentity } from '../../../src/route/pull.ts'

/** A source side whose test says what goes to the peer. */
export interface FakeSession {
  readonly peer: PeerIdentity
  readonly origin: string
  readonly sink: FrameSink
  readonly opens: OpenRequest[]
  readonly closes: number[]
  readonly credits: Map<number, number>
  readonly acks: Map<number, number>
  endedBecause: string | undefined
}

export class FakeSource implements SourceSide {
  readonly sessions: FakeSession[] = []
  onOpen: (session: FakeSession, request: OpenRequest) => void = (session, { channel, start }) =>
    session.sink.opened({
      channel,
      topicId: 'topic-id',
      position: start.kind === 'position' ? start.offset : 0,
      logStart: 0,
      highWatermark: 0,
    })
  onCredit: (session: FakeSession, lane: number, bytes: number) => void = () => {}
  onAccept: (session: FakeSession) => void = () => {}

  get last(): FakeSession {
    return this.sessions.at(-1)!
  }

  accept(peer: PeerIdentity, origin: string, sink: FrameSink): SourceSession {
    const session: FakeSession = {
      peer,
      origin,
      sink,
      opens: [],
      closes: [],
      credits: new Map(),
      acks: new Map(),
      endedBecause: undefined,
    }
    this.onAccept(session)
    this.sessions.push(session)
    return {
      open: request => {
        session.opens.push(request)
        this.onOpen(session, request)
      },
      close: channel => {
        session.closes.push(channel)
        sink.closed({ channel, reason: 'requested', message: '' })
      },
      credit: (lane, bytes) => {
        session.credits.set(lane, bytes)
        this.onCredit(session, lane, bytes)
      },
      ack: (channel, next) => session.acks.set(channel, next),
      end: reason => {
        session.endedBecause = reason
      },
    }
  }
}
