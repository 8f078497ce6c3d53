import { KafkaFailure } from '../kafka/failure.ts'
import type { ClosedMessage, OpenRequest } from '../route/pull.ts'
import type { LogLookups, OfferedTopic, TopicOffer } from './ports.ts'

export type Refusal = Omit<ClosedMessage, 'channel'>

/** Where a channel begins, or why it cannot. Offsets are the origin's, but `fetch`. */
export type Resolved =
  | {
      readonly kind: 'opened'
      readonly position: number
      readonly logStart: number
      readonly highWatermark: number
      /** Where to begin in the local log, and the leader epoch of the record before it, -1 unknown. */
      readonly fetch: { readonly offset: number; readonly leaderEpoch: number }
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Finds the topic that a target asks for, or why it cannot have it. */
export function findTopic(
  request: OpenRequest,
  offer: TopicOffer,
  refusedBecause: string | undefined,
): { readonly topic: OfferedTopic } | { readonly refusal: Refusal } {
  const { topic: name, partition } = request
  const refuse = (reason: ClosedMessage['reason'], message: string, topicId?: string) => ({
    refusal: { reason, message, topicId },
  })
  if (refusedBecause !== undefined) return refuse('topic-refused', `${name}: ${refusedBecause}`)
  const topic = offer.get(name)
  if (topic === undefined) return refuse('topic-missing', `there is no topic ${name}`)
  if (request.topicId !== undefined && request.topicId !== topic.topicId)
    return refuse(
      'topic-recreated',
      `${name} was deleted and created again: its id is ${topic.topicId}, the position belongs to ${request.topicId}`,
      topic.topicId,
    )
  if (partition >= topic.partitions)
    return refuse('topic-missing', `${name} has ${topic.partitions} partitions, no partition ${partition}`)
  return { topic }
}

/**
 * The direct link: origin offsets are the log's own. A position below the log start is a gap, which only the origin may
 * declare; one above the end is judged by the reader, which compares leader epochs.
 */
export async function resolveDirect(request: OpenRequest, topic: OfferedTopic, lookups: LogLookups): Promise<Resolved> {
  const { partition, start } = request
  const place = { topic: topic.localName, partition }
  try {
    const [earliest, latest] = await Promise.all([lookups.earliest(place), lookups.latest(place)])
    const logStart = earliest.offset
    const highWatermark = latest.offset
    const opened = (position: number, leaderEpoch: number): Resolved => ({
      kind: 'opened',
      position,
      logStart,
      highWatermark,
      fetch: { offset: position, leaderEpoch },
    })
    switch (start.kind) {
      case 'position':
        if (start.offset < logStart) return { kind: 'refused', refusal: gap(topic, partition, start.offset, logStart) }
        return opened(start.offset, start.leaderEpoch)
      case 'earliest':
        return opened(logStart, -1)
      case 'latest':
        return opened(highWatermark, -1)
      case 'timestamp': {
        const { offset } = await lookups.atTime(place, start.timestampMs)
        return opened(offset < 0 ? highWatermark : offset, -1)
      }
    }
  } catch (error) {
    return { kind: 'refused', refusal: unavailable(error, `${topic.localName}-${partition}`) }
  }
}

export function gap(topic: { readonly name: string }, partition: number, from: number, to: number): Refusal {
  const message = `${topic.name}-${partition}: records of offsets [${from}, ${to}) are no longer there`
  return { reason: 'gap', message, gapFrom: from, gapTo: to }
}

/** A broker's failure is about this attempt; anything else is a bug and goes on up. */
export function unavailable(error: unknown, place: string): Refusal {
  if (error instanceof KafkaFailure) return { reason: 'source-unavailable', message: `${place}: ${error.message}` }
  throw error
}
