import type { ClusterConfig } from './cluster-config.ts'
import type { BrokerAddress, BrokerConnection } from './connection.ts'
import { KafkaFailure } from './failure.ts'
import { openConnection } from './handshake.ts'
import type { PauseGuard } from './pause-guard.ts'

/** After a failed attempt the next one waits: doubled each time, with a quarter of it random, so that a broker that comes back is not stormed. */
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 1_000
const JITTER_PART = 0.25

interface Slot {
  address: BrokerAddress
  connection: BrokerConnection | undefined
  opening: Promise<BrokerConnection> | undefined
  failedAttempts: number
  notBeforeMs: number
}

/**
 * One connection per (broker, purpose): what may wait long (a long poll, a produce) never stands before what may not.
 * Connections are opened when asked for and again after they closed. Bounded by brokers times purposes.
 */
export class ConnectionPool {
  private readonly config: ClusterConfig
  private readonly guard: PauseGuard
  private readonly slots = new Map<string, Slot>()
  private closed = false

  constructor(config: ClusterConfig, guard: PauseGuard) {
    this.config = config
    this.guard = guard
  }

  /** An open connection. Waits for the backoff of a broker that failed before; rejects after one failed attempt. */
  async get(address: BrokerAddress, purpose: string): Promise<BrokerConnection> {
    const slot = this.slot(address, purpose)
    if (slot.connection?.usable) return slot.connection
    slot.opening ??= this.open(slot).finally(() => {
      slot.opening = undefined
    })
    return await slot.opening
  }

  /** Without waiting: undefined unless it is open now. */
  peek(address: BrokerAddress, purpose: string): BrokerConnection | undefined {
    const connection = this.slots.get(slotKey(address, purpose))?.connection
    return connection?.usable ? connection : undefined
  }

  get size(): number {
    let open = 0
    for (const slot of this.slots.values()) if (slot.connection?.usable) open++
    return open
  }

  /** Ends what belongs to brokers that are not in the cluster any more, or moved. */
  retain(addresses: readonly BrokerAddress[]): void {
    const known = new Set(addresses.map(address => `${address.nodeId}@${address.host}:${address.port}`))
    for (const [key, { address, connection }] of this.slots) {
      // Bootstrap addresses have no node id of their own.
      if (address.nodeId < 0 || known.has(`${address.nodeId}@${address.host}:${address.port}`)) continue
      this.slots.delete(key)
      connection?.close(
        new KafkaFailure('ambiguous', 'CONNECTION_LOST', `broker ${address.nodeId} left or moved`, { refresh: true }),
      )
    }
  }

  close(): void {
    this.closed = true
    for (const { connection } of this.slots.values()) {
      connection?.close(new KafkaFailure('ambiguous', 'CONNECTION_LOST', 'the cluster connection is closed'))
    }
    this.slots.clear()
  }

  private slot(address: BrokerAddress, purpose: string): Slot {
    const key = slotKey(address, purpose)
    let slot = this.slots.get(key)
    if (slot === undefined) {
      slot = { address, connection: undefined, opening: undefined, failedAttempts: 0, notBeforeMs: 0 }
      this.slots.set(key, slot)
    }
    return slot
  }

  private async open(slot: Slot): Promise<BrokerConnection> {
    const waitMs = slot.notBeforeMs - performance.now()
    if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs))
    if (this.closed) throw new KafkaFailure('retriable', 'CONNECTION_LOST', 'the cluster connection is closed')
    try {
      const connection = await openConnection(slot.address, this.config, this.guard)
      if (this.closed) {
        connection.close(new KafkaFailure('ambiguous', 'CONNECTION_LOST', 'the cluster connection is closed'))
      }
      slot.failedAttempts = 0
      slot.notBeforeMs = 0
      slot.connection = connection
      return connection
    } catch (error) {
      const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** slot.failedAttempts, MAX_BACKOFF_MS)
      slot.failedAttempts++
      slot.notBeforeMs = performance.now() + backoffMs * (1 - JITTER_PART * Math.random())
      throw error
    }
  }
}

function slotKey(address: BrokerAddress, purpose: string): string {
  return `${address.nodeId}/${address.host}:${address.port}/${purpose}`
}
