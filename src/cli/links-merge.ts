import type { Lag, LinkAnswer, MemberAnswer, PartitionCounts, Rate, TopicAnswer } from './admin-messages.ts'

/** One link as its data center has it: what its nodes say, put together. */
export interface MergedLink extends LinkAnswer {
  /** Lanes by node. */
  nodes: { node: string; lanes: number; state: string; breaker: LinkAnswer['breaker'] }[]
  /** Nodes of the data center that did not answer, or were not asked, with lanes that no other node claims. */
  others: { node: string; lanes: number[] }[]
  /** Lanes that no node has: they are on their way from one to another. */
  unowned: number[]
}

export interface NodeLinks {
  readonly node: string
  readonly links: readonly LinkAnswer[]
  /** The nodes of its data center as it knows them; left out where only sums are of interest. */
  readonly members?: readonly MemberAnswer[]
}

/** Each node speaks for its own partitions, so sums over nodes are what the data center has. Sorted by link and topic. */
export function mergeLinks(answers: readonly NodeLinks[]): MergedLink[] {
  const merged = new Map<string, MergedLink>()
  for (const { node, links } of answers) {
    for (const link of links) {
      const share = { node, lanes: link.lanesOwned.length, state: link.state, breaker: link.breaker }
      const known = merged.get(link.link)
      if (known === undefined)
        merged.set(link.link, { ...structuredClone(link), nodes: [share], others: [], unowned: [] })
      else join(known, link, share)
    }
  }
  for (const link of merged.values()) shareOut(link, answers)
  return [...merged.values()].toSorted((a, b) => compare(a.dc, b.dc) || compare(a.link, b.link))
}

/** Whose the lanes are that no answering node has: what a node says of itself is newer than what others say of it. */
function shareOut(link: MergedLink, answers: readonly NodeLinks[]): void {
  const answering = answers.filter(({ links }) => links.some(each => each.link === link.link))
  const members = answering.map(answer => answer.members).find(known => known !== undefined && known.length > 0)
  // Only then is it known that there are no other nodes.
  if (members === undefined) return
  const left = new Set(
    Array.from({ length: link.lanesTotal }, (_, lane) => lane).filter(lane => !link.lanesOwned.includes(lane)),
  )
  for (const { node, laneNumbers } of members) {
    if (answering.some(answer => answer.node === node)) continue
    const lanes = laneNumbers.filter(lane => left.delete(lane))
    if (lanes.length > 0) link.others.push({ node, lanes })
  }
  link.unowned = [...left]
}

/** The worst word counts: an operator looks for what is wrong. */
const STATE_RANK = ['running', 'connecting', 'paused', 'down']
const BREAKER_RANK = ['closed', 'slow-start', 'half-open', 'open']

function join(into: MergedLink, link: LinkAnswer, share: MergedLink['nodes'][number]): void {
  into.nodes.push(share)
  into.lanesOwned = [...new Set([...into.lanesOwned, ...link.lanesOwned])].toSorted((a, b) => a - b)
  if (STATE_RANK.indexOf(link.state) > STATE_RANK.indexOf(into.state)) {
    into.state = link.state
    into.reason = link.reason
  }
  if (BREAKER_RANK.indexOf(link.breaker.state) > BREAKER_RANK.indexOf(into.breaker.state)) into.breaker = link.breaker
  if (into.peerNode === '') {
    into.peerNode = link.peerNode
    into.peerAddress = link.peerAddress
  }
  addLag(into.lag, link.lag)
  addRate(into.rate, link.rate)
  addCounts(into.partitions, link.partitions)
  into.topics = mergeTopics([...into.topics, ...link.topics])
}

/** Topics of the same name become one; also puts pages of one node together. */
export function mergeTopics(topics: readonly TopicAnswer[]): TopicAnswer[] {
  const merged = new Map<string, TopicAnswer>()
  for (const topic of topics) {
    const known = merged.get(topic.topic)
    if (known === undefined) {
      merged.set(topic.topic, structuredClone(topic))
      continue
    }
    addLag(known.lag, topic.lag)
    addRate(known.rate, topic.rate)
    addCounts(known.counts, topic.counts)
    known.partitions = [...known.partitions, ...topic.partitions].toSorted((a, b) => a.partition - b.partition)
    known.refused ||= topic.refused
  }
  return [...merged.values()].toSorted((a, b) => compare(a.topic, b.topic))
}

function addLag(sum: Lag, lag: Lag): void {
  sum.records += lag.records
  sum.bytes += lag.bytes
  sum.seconds = Math.max(sum.seconds, lag.seconds)
}

function addRate(sum: Rate, rate: Rate): void {
  sum.recordsPerSecond += rate.recordsPerSecond
  sum.bytesPerSecond += rate.bytesPerSecond
}

function addCounts(sum: PartitionCounts, counts: PartitionCounts): void {
  for (const state of Object.keys(sum) as (keyof PartitionCounts)[]) sum[state] += counts[state]
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
