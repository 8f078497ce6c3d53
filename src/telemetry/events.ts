import type { LogLevel } from './log.ts'

/** Named events: what an operator must be able to look up afterwards, each with its exact place. */
export const EVENTS = {
  gap: ['warn', 'The source no longer has records that were not fetched yet; the range says which are lost.'],
  truncated: [
    'error',
    'The source log ends before what was already fetched (unclean election there); the partition halts.',
  ],
  'topic-created': ['info', 'A topic was created here because a peer has it.'],
  'topic-grown': ['info', 'Partitions were added here because a peer has more.'],
  'topic-refused': ['warn', 'A topic is not replicated; the message says why.'],
  'topic-recreated': ['error', 'A topic was deleted and created again at its origin.'],
  'target-truncated': [
    'warn',
    'The log here lost records of ours (unclean election, deletion); they are fetched again.',
  ],
  'target-recreated': ['warn', 'A topic was deleted and created again here.'],
  'config-differs': ['info', 'A topic has other configs here than at its origin.'],
  loop: [
    'error',
    'The paths of the data centers form a loop: a session was refused, or records over too many hops are dropped.',
  ],
  halted: ['error', 'A partition stopped and needs a person; the message says why.'],
  resumed: ['info', 'A halted partition runs again.'],
  'session-opened': ['info', 'A session to or from a peer opened.'],
  'session-closed': ['info', 'A session to or from a peer ended.'],
  'session-refused': ['warn', 'A peer was refused, or refused us.'],
  'breaker-opened': ['warn', 'A peer that worked is left alone for a while; said once, not at each failed attempt.'],
  'breaker-closed': ['info', 'A peer is used again.'],
  'lane-moved': ['info', 'Lanes came to this node or left it.'],
  fenced: ['warn', 'A newer owner of a partition fenced this node.'],
  'mode-changed': ['info', 'A partition changed between plain and transactional writing.'],
  'registry-broken': ['error', 'The registry of this data center cannot be trusted; nothing leaves it.'],
  'link-paused': ['info', 'An operator paused a link.'],
  'link-resumed': ['info', 'An operator resumed a link.'],
  'cluster-unreachable': ['error', 'The local cluster does not answer; nothing is stored until it does.'],
  'cluster-back': ['info', 'The local cluster answers again.'],
} as const satisfies Record<string, readonly [LogLevel, string]>

export type EventName = keyof typeof EVENTS

export interface EventPlace {
  readonly link?: string
  readonly peer?: string
  readonly topic?: string
  readonly partition?: number
  /** Origin offsets [fromOffset, toOffset) that the event is about. */
  readonly fromOffset?: number
  readonly toOffset?: number
}

export interface GatewayEvent extends EventPlace {
  /** Grows by one per event of this node; starts anew with the process. */
  readonly sequence: number
  readonly timeMs: number
  readonly name: EventName
  readonly message: string
}

/** Where the rooms tell what happened. Quick, never throws. */
export type RecordEvent = (name: EventName, message: string, place?: EventPlace) => void

/** Events kept for those who ask later. */
export const EVENTS_KEPT = 1000

export interface EventLog {
  readonly record: RecordEvent
  /** The newest kept events after `afterSequence`, oldest first, at most `limit`. */
  recent(limit: number, afterSequence?: number): GatewayEvent[]
  /** Called for each later event; returns how to stop. A listener must not throw. */
  subscribe(listener: (event: GatewayEvent) => void): () => void
}

/** A bounded ring of events. `also` is told of each, for the log and the metrics. */
export function createEventLog(nowMs: () => number, also: (event: GatewayEvent) => void = () => {}): EventLog {
  const ring: GatewayEvent[] = []
  const listeners = new Set<(event: GatewayEvent) => void>()
  let sequence = 0
  return {
    record(name, message, place = {}) {
      const event = { ...place, sequence: ++sequence, timeMs: nowMs(), name, message }
      ring[event.sequence % EVENTS_KEPT] = event
      also(event)
      for (const listener of listeners) listener(event)
    },
    recent(limit, afterSequence = 0) {
      const oldest = Math.max(1, sequence - EVENTS_KEPT + 1, sequence - limit + 1, afterSequence + 1)
      const events: GatewayEvent[] = []
      for (let at = oldest; at <= sequence; at++) events.push(ring[at % EVENTS_KEPT] as GatewayEvent)
      return events
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
