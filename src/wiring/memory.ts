import type { GatewayConfig } from '../config/schema.ts'
import type { Egress } from '../egress/egress.ts'
import type { InFlightBudget } from '../ingest/node-budget.ts'
import type { InboundLink } from './inbound-links.ts'

const MIB = 1024 * 1024

/** Produce-ready bytes in flight on a node; one of its own limits, not configurable. */
export const MAX_IN_FLIGHT_BYTES = 64 * MIB
/** The most that a session which serves holds of responses (kafka/log-reader.ts), beside what is under way then. */
export const MAX_READER_BYTES = 48 * MIB
/** Under way: 8 MiB on each of three connections; and idle buffers that are kept for reuse, and frames at the socket. */
const AROUND_READER_BYTES = (3 * 8 + 32 + 4) * MIB
/** A batch of a topic whose `max.message.bytes` is not known: Kafka's default, and a frame's size. */
const USUAL_BATCH_BYTES = MIB + 12
/** Takeovers at once (ingest/limits.ts), each reading so much of a log's end. */
const TAKEOVER_BYTES = 64 * MIB
/** Records that are being transformed, and native buffers that the garbage collector has not found yet. */
const WORK_BYTES = 64 * MIB
/** One entry of the shared state with its indexes. */
const TABLE_ENTRY_BYTES = 2 * 1024

/** What the bound depends on beside the config; it changes while the gateway runs. */
export interface MemoryFacts {
  /** Sessions that are served. */
  readonly served: number
  /** Entries of the shared state. */
  readonly entries: number
  readonly largestBatchBytes: number
  readonly lanes: number
}

/**
 * The most bytes that this node holds of records and of the state that grows with them, over what an idle process has:
 * credit of every lane of every link, produce-ready batches, what is read for peers, takeovers, shared state. Each lane
 * may overdraw its credit by one batch.
 */
export function memoryBoundBytes({ peers, flow }: GatewayConfig, facts: MemoryFacts): number {
  const { served, entries, largestBatchBytes, lanes } = facts
  const inbound = peers.length * lanes * (flow.laneCreditBytes + largestBatchBytes)
  const outbound = Math.max(served, peers.length) * (MAX_READER_BYTES + AROUND_READER_BYTES + largestBatchBytes)
  const state = entries * TABLE_ENTRY_BYTES
  return inbound + MAX_IN_FLIGHT_BYTES + largestBatchBytes + outbound + TAKEOVER_BYTES + WORK_BYTES + state
}

/** Batch bytes that are held now, by where they are. */
export function heldBytes(links: readonly InboundLink[], egress: Egress, inFlight: InFlightBudget) {
  return {
    frames: links.reduce((sum, { ingest }) => sum + ingest.heldBytes(), 0),
    inflight: inFlight.usedBytes,
    fetched: egress.sessions.reduce((sum, session) => sum + session.heldBytes, 0),
  }
}

/** The largest batch that the sources may send now: what their topics allow, as far as we take it. */
export function largestBatchBytes(links: readonly InboundLink[], { flow }: GatewayConfig): number {
  let largest = USUAL_BATCH_BYTES
  for (const { catalog } of links) {
    for (const { maxMessageBytes } of catalog.topics()) largest = Math.max(largest, maxMessageBytes)
  }
  return Math.min(largest, flow.maxBatchBytes)
}
