import { findCoordinatorV4 } from '@platformatic/kafka'
import { call } from './call.ts'
import type { BrokerConnection } from './connection.ts'
import { failureFor } from './error-table.ts'

/** Key types of FindCoordinator. */
const KEY_TYPE = { group: 0, transaction: 1 } as const
export type CoordinatorKind = keyof typeof KEY_TYPE

/** Ids whose coordinator is remembered; far above the ids of one node, and what is dropped is only asked for again. */
const MAX_REMEMBERED = 100_000
/** One FindCoordinator asks for at most so many keys. */
const MAX_KEYS_PER_REQUEST = 500

interface Waiter {
  readonly resolve: (nodeId: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * Which broker coordinates a transactional.id or a group. Asking is also what creates `__transaction_state` on a fresh
 * cluster (exactly-once.md 1). Keys that are asked for in the same tick travel in one request.
 */
export class Coordinators {
  private readonly connect: () => Promise<BrokerConnection>
  private readonly known = new Map<string, number>()
  private readonly waiting: Record<CoordinatorKind, Map<string, Waiter[]>> = {
    group: new Map(),
    transaction: new Map(),
  }

  constructor(connect: () => Promise<BrokerConnection>) {
    this.connect = connect
  }

  /** Broker id. Rejects `retriable` COORDINATOR_NOT_AVAILABLE and the like after one attempt: callers repeat as they see fit. */
  find(kind: CoordinatorKind, key: string): Promise<number> {
    const known = this.known.get(`${kind}/${key}`)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const waiting = this.waiting[kind]
      if (waiting.size === 0) queueMicrotask(() => void this.ask(kind))
      const waiters = waiting.get(key)
      if (waiters === undefined) waiting.set(key, [{ resolve, reject }])
      else waiters.push({ resolve, reject })
    })
  }

  forget(kind: CoordinatorKind, key: string): void {
    this.known.delete(`${kind}/${key}`)
  }

  private async ask(kind: CoordinatorKind): Promise<void> {
    const waiting = this.waiting[kind]
    this.waiting[kind] = new Map()
    const keys = [...waiting.keys()]
    for (let at = 0; at < keys.length; at += MAX_KEYS_PER_REQUEST) {
      const some = keys.slice(at, at + MAX_KEYS_PER_REQUEST)
      try {
        await this.askFor(kind, some, waiting)
      } catch (error) {
        for (const key of some) for (const waiter of waiting.get(key) ?? []) waiter.reject(error)
      }
    }
  }

  private async askFor(kind: CoordinatorKind, keys: string[], waiting: ReadonlyMap<string, Waiter[]>): Promise<void> {
    const connection = await this.connect()
    const response = await call(connection, findCoordinatorV4.api, KEY_TYPE[kind], keys)
    if (this.known.size > MAX_REMEMBERED) this.known.clear()
    const answered = new Set<string>()
    for (const { key, nodeId, errorCode, errorMessage } of response.coordinators) {
      answered.add(key)
      if (errorCode === 0) this.known.set(`${kind}/${key}`, nodeId)
      for (const waiter of waiting.get(key) ?? []) {
        if (errorCode === 0) waiter.resolve(nodeId)
        else waiter.reject(failureFor(errorCode, `FindCoordinator of ${kind} ${key}`, errorMessage))
      }
    }
    for (const key of keys) {
      if (answered.has(key)) continue
      const failure = failureFor(-1, `FindCoordinator of ${kind} ${key}: no answer for it`)
      for (const waiter of waiting.get(key) ?? []) waiter.reject(failure)
    }
  }
}
