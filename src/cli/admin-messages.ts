/** Answers of admin.proto as the client gets them: every field is there, empty where unset. */

export interface StatusAnswer {
  dc: string
  node: string
  version: string
  state: string
  startedAtMs: number
  kafka: { clusterId: string; reachable: boolean; brokers: number; problem: string }
  checks: { name: string; ok: boolean; why: string }[]
  members: MemberAnswer[]
  served: { peerDc: string; peerNode: string; address: string; link: string; sinceMs: number }[]
  memory: { boundBytes: number; bufferedBytes: number; rssBytes: number }
  logLevel: string
  links: number
  haltedPartitions: number
}

export interface MemberAnswer {
  node: string
  lanes: number
  laneNumbers: number[]
}

export interface Lag {
  records: number
  bytes: number
  seconds: number
}

export interface Rate {
  recordsPerSecond: number
  bytesPerSecond: number
}

export interface PartitionCounts {
  starting: number
  running: number
  waiting: number
  halted: number
  paused: number
}

export interface PartitionAnswer {
  partition: number
  lane: number
  state: string
  reason: string
  code: string
  position: number
  highWatermark: number
  mode: string
}

export interface TopicAnswer {
  topic: string
  targetTopic: string
  lag: Lag
  rate: Rate
  counts: PartitionCounts
  partitions: PartitionAnswer[]
  refused: string
}

export interface LinkAnswer {
  link: string
  origin: string
  dc: string
  path: string[]
  state: string
  reason: string
  breaker: { state: string; reason: string; sinceMs: number }
  peerNode: string
  peerAddress: string
  lanesOwned: number[]
  lanesTotal: number
  lag: Lag
  rate: Rate
  partitions: PartitionCounts
  topics: TopicAnswer[]
}

export interface LinksAnswer {
  links: LinkAnswer[]
  nextPageToken: string
  members: MemberAnswer[]
}

export interface EventAnswer {
  sequence: number
  timeMs: number
  name: string
  level: string
  message: string
  link: string
  peer: string
  topic: string
  partition?: number
  fromOffset?: number
  toOffset?: number
}
