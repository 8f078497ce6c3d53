import type {
  GatewayStatus,
  LinkView,
  Operator,
  PartitionView,
  StatusSource,
  TopicView,
} from '../../src/admin/ports.ts'

/** A gateway's state as the admin server sees it, for tests of what stands in front of it. */

export function partitionView(partition: number, over: Partial<PartitionView> = {}): PartitionView {
  return {
    partition,
    lane: partition % 16,
    state: 'running',
    position: 100,
    highWatermark: 110,
    mode: 'plain',
    ...over,
  }
}

export function topicView(topic: string, over: Partial<TopicView> = {}): TopicView {
  return {
    topic,
    targetTopic: topic,
    rate: { recordsPerSecond: 1200, bytesPerSecond: 300_000 },
    lag: { records: 10, bytes: 2500, seconds: 0.4 },
    partitions: [partitionView(0), partitionView(1)],
    ...over,
  }
}

export function linkView(origin: string, over: Partial<LinkView> = {}): LinkView {
  return {
    origin,
    dc: 'us',
    path: [origin],
    state: 'running',
    breaker: { state: 'closed', sinceMs: 0 },
    peerNode: `${origin}-1`,
    peerAddress: '10.0.0.1:7400',
    lanesOwned: [0, 1, 2, 3],
    lanesTotal: 16,
    topics: [topicView('orders')],
    ...over,
  }
}

export function gatewayStatus(over: Partial<GatewayStatus> = {}): GatewayStatus {
  return {
    dc: 'us',
    node: 'us-1',
    version: '0.1.0',
    state: 'running',
    startedAtMs: 1_767_225_600_000,
    kafka: { clusterId: 'k4fkA-us', reachable: true, brokers: 3 },
    checks: [{ name: 'kafka', ok: true }],
    members: [
      { node: 'us-1', lanes: [0, 1, 2, 3, 4, 5, 6, 7] },
      { node: 'us-2', lanes: [8, 9, 10, 11, 12, 13, 14, 15] },
    ],
    served: [{ peerDc: 'eu', peerNode: 'eu-1', address: '10.0.1.1:51234', link: 'us->eu', sinceMs: 1_767_225_601_000 }],
    memory: { boundBytes: 200 << 20, bufferedBytes: 3 << 20, rssBytes: 140 << 20 },
    logLevel: 'info',
    ...over,
  }
}

export interface FakeGateway extends StatusSource, Operator {
  readonly acts: string[]
  state: GatewayStatus
  all: LinkView[]
}

export function fakeGateway(links: LinkView[] = [linkView('eu')]): FakeGateway {
  return {
    acts: [],
    state: gatewayStatus(),
    all: links,
    status() {
      return this.state
    },
    links() {
      return this.all
    },
    async pauseLink(origin, reason) {
      this.acts.push(`pause ${origin} ${reason}`)
      return { alreadyPaused: false }
    },
    async resumeLink(origin) {
      this.acts.push(`resume ${origin}`)
      return { wasPaused: true }
    },
    setLogLevel(level) {
      this.acts.push(`level ${level}`)
      return { previousLevel: 'info' }
    },
  }
}
