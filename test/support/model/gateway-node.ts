import { LinkIngest } from '../../../src/ingest/link-ingest.ts'
import { InFlightBudget, TakeoverGate } from '../../../src/ingest/node-budget.ts'
import type { IngestEvent, IngestObserver } from '../../../src/ingest/ports.ts'
import { clusterHash } from '../../../src/record/position.ts'
import { decodeProgressValue, encodeProgressValue, Progress, type ProgressValue } from '../../../src/state/progress.ts'
import { decodeRegistryValue, encodeRegistryValue, Registry, type RegistryValue } from '../../../src/state/registry.ts'
import { PROGRESS_TOPIC, REGISTRY_TOPIC } from '../../../src/state/topics.ts'
import { ModelClient } from './client.ts'
import type { ModelCluster } from './cluster.ts'
import type { NetworkFaults } from './network.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import { ModelTable } from './table.ts'
import { ModelTargetLog } from './target-log.ts'

export const ORIGIN = 'eu'
export const TOPIC = 'orders'
const LANE_CREDIT_BYTES = 4_096
const TARGET_BATCH_BYTES = 2_048
const SESSION_TIMEOUT_MS = 5_000

export interface NodeOptions {
  readonly compacted: boolean
  readonly onGap: 'skip' | 'halt'
  readonly start: 'earliest' | 'latest'
  readonly network: () => NetworkFaults
  onEvent(event: IngestEvent): void
}

/** The ingest half of a gateway node with everything real but Kafka, the network and time. Writes one partition. */
export class GatewayNode {
  readonly process: SimulatedProcess
  readonly link: LinkIngest
  #owner = true

  constructor(process: SimulatedProcess, cluster: ModelCluster, random: Random, options: NodeOptions) {
    this.process = process
    const client = new ModelClient(process, cluster, random.fork(`network of ${process.name}`), options.network)
    const target = new ModelTargetLog(client)
    const ownRandom = random.fork(process.name)
    this.link = new LinkIngest(ORIGIN, {
      target,
      registry: registryOf(client, target),
      checkpoints: progressOf(client, target, cluster),
      clock: process.clock,
      random: () => ownRandom.next(),
      limits: {
        laneCreditBytes: LANE_CREDIT_BYTES,
        targetBatchBytes: TARGET_BATCH_BYTES,
        maxInFlightBytes: 8 * TARGET_BATCH_BYTES,
        maxReplicationHops: 3,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        producerIdExpirationMs: cluster.options.producerIdExpirationMs,
        transactionalIdExpirationMs: cluster.options.coordinator.idExpirationMs,
      },
      observer: observer(options.onEvent),
      clusterHash: clusterHash('target-cluster'),
      inFlight: new InFlightBudget(8 * TARGET_BATCH_BYTES),
      takeoverGate: new TakeoverGate(process.clock),
      isOwner: () => this.#owner,
      onCatalog: () => {},
    })
    this.link.setOwnedLanes(new Set([0]), 1)
    this.link.ready({
      originTopic: TOPIC,
      topic: TOPIC,
      partitions: 1,
      compacted: options.compacted,
      maxMessageBytes: 1024 * 1024,
      policy: {
        start: { kind: options.start },
        gap: options.onGap,
        originRecreated: 'halt',
        targetRecreated: 'refill',
      },
    })
  }

  /** The group gave the lane to another node, and this one has heard of it. */
  loseLane(): void {
    this.#owner = false
    this.link.setOwnedLanes(new Set(), 1)
  }

  get state(): string {
    const [partition] = this.link.view()
    return partition === undefined ? 'none' : JSON.stringify(partition.state)
  }

  /** Code and message of what the partition halted by. */
  get haltedBy(): string | undefined {
    const state = this.link.view()[0]?.state
    return state?.kind === 'halted' ? `${state.error.code}: ${state.error.message}` : undefined
  }
}

function registryOf(client: ModelClient, target: ModelTargetLog): Registry {
  const table: ModelTable<RegistryValue> = new ModelTable(client, target, {
    topic: REGISTRY_TOPIC,
    encode: encodeRegistryValue,
    decode: decodeRegistryValue,
    changed: (_key, value) => registry.changed(value),
  })
  const registry = new Registry(table)
  return registry
}

function progressOf(client: ModelClient, target: ModelTargetLog, cluster: ModelCluster): Progress {
  const table: ModelTable<ProgressValue> = new ModelTable(client, target, {
    topic: PROGRESS_TOPIC,
    encode: encodeProgressValue,
    decode: decodeProgressValue,
    changed: (key, value) => progress.changed(key, value),
  })
  const progress = new Progress(table, {
    partitionOf: () => 0,
    topicId: () => cluster.topic(PROGRESS_TOPIC)!.topicId,
  })
  return progress
}

function observer(onEvent: (event: IngestEvent) => void): IngestObserver {
  return {
    event: onEvent,
    takeover: () => {},
    appended: () => {},
    received: () => {},
    appendFailed: () => {},
    dropped: () => {},
    provenanceReplaced: () => {},
    log: () => {},
  }
}
