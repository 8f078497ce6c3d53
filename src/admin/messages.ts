import type {
  EventView,
  GatewayStatus,
  LagView,
  LinkView,
  MemberView,
  PartitionView,
  RateView,
  TopicView,
} from './ports.ts'

/** Views as messages of admin.proto, in the names that proto-loader gives fields. */

export function statusMessage(status: GatewayStatus, links: readonly LinkView[]) {
  let haltedPartitions = 0
  for (const link of links) for (const topic of link.topics) haltedPartitions += countStates(topic.partitions).halted
  return { ...status, members: status.members.map(memberMessage), links: links.length, haltedPartitions }
}

export function memberMessage({ node, lanes }: MemberView) {
  return { node, lanes: lanes.length, laneNumbers: lanes }
}

/** A link with some of its topics; lag, rate and counts are those of all of them. */
export function linkMessage(link: LinkView, shownTopics: readonly TopicView[], withPartitions: boolean) {
  const lag = { records: 0, bytes: 0, seconds: 0 }
  const rate = { recordsPerSecond: 0, bytesPerSecond: 0 }
  const partitions = countStates([])
  for (const topic of link.topics) {
    addLag(lag, topic.lag)
    addRate(rate, topic.rate)
    countStates(topic.partitions, partitions)
  }
  const { topics: _, ...facts } = link
  return {
    ...facts,
    link: `${link.origin}->${link.dc}`,
    lag,
    rate,
    partitions,
    topics: shownTopics.map(topic => topicMessage(topic, withPartitions)),
  }
}

function topicMessage(topic: TopicView, withPartitions: boolean) {
  const partitions = withPartitions
    ? topic.partitions
    : topic.partitions.filter(({ state }) => state === 'halted').slice(0, HALTED_SHOWN_MAX)
  return { ...topic, counts: countStates(topic.partitions), partitions }
}

/** Halted partitions of one topic that are listed unasked; the counts are always complete. */
export const HALTED_SHOWN_MAX = 100

export function eventMessage(event: EventView, levelOf: (name: string) => string) {
  return { ...event, level: levelOf(event.name) }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Records and bytes add up; the oldest record decides about seconds. */
export function addLag(sum: Mutable<LagView>, lag: LagView): void {
  sum.records += lag.records
  sum.bytes += lag.bytes
  sum.seconds = Math.max(sum.seconds, lag.seconds)
}

export function addRate(sum: Mutable<RateView>, rate: RateView): void {
  sum.recordsPerSecond += rate.recordsPerSecond
  sum.bytesPerSecond += rate.bytesPerSecond
}

type Counts = Record<PartitionView['state'], number>

function countStates(
  partitions: readonly PartitionView[],
  counts: Counts = { starting: 0, running: 0, waiting: 0, halted: 0, paused: 0 },
): Counts {
  for (const { state } of partitions) counts[state]++
  return counts
}
