import type { GatewayConfig } from '../config/schema.ts'

/** Produce-ready bytes in flight on a node; one of its own limits, not configurable (docs/config.md, memory). */
export const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024
/** A lane's credit may be overdrawn by the frame that uses it up. */
const OVERDRAFT_FRAME_BYTES = 1024 * 1024
/** Response buffers of one session that serves (kafka/log-reader.ts), and of the tables of shared state. */
const READER_BYTES = 64 * 1024 * 1024

/**
 * The most batch bytes that this node can hold: credit of every lane of every link, produce-ready batches, and what is
 * read for peers. A computed bound, logged at start.
 */
export function memoryBoundBytes({ peers, flow }: GatewayConfig): number {
  const perLane = flow.laneCreditBytes + OVERDRAFT_FRAME_BYTES
  const inbound = peers.length * flow.lanes * perLane
  const outbound = peers.length * READER_BYTES
  return inbound + MAX_IN_FLIGHT_BYTES + outbound
}
