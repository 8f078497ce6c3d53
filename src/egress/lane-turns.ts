import { MAX_FRAME_BYTES } from '../route/batch-limits.ts'
import type { Channel } from './channel.ts'

/**
 * Whose turn it is: round-robin over lanes, and over the channels of a lane by bytes. A turn is one frame; who sent
 * more than a frame's worth in one (a single large batch) leaves out turns until that is paid back, while others wait.
 */
export class LaneTurns {
  readonly #lanes = new Map<number, Channel[]>()
  readonly #order: number[] = []
  #at = 0

  /** The channel has something to send. Adding it twice is adding it once. */
  add(channel: Channel): void {
    let ring = this.#lanes.get(channel.lane)
    if (ring === undefined) {
      ring = []
      this.#lanes.set(channel.lane, ring)
      this.#order.push(channel.lane)
    }
    if (channel.waitsForTurn) return
    channel.waitsForTurn = true
    ring.push(channel)
  }

  remove(channel: Channel): void {
    if (!channel.waitsForTurn) return
    channel.waitsForTurn = false
    const ring = this.#lanes.get(channel.lane)!
    ring.splice(ring.indexOf(channel), 1)
  }

  /** Takes the next channel of the next lane that `allows`; it must be added again if it has more. */
  take(allows: (lane: number) => boolean): Channel | undefined {
    for (let tried = 0; tried < this.#order.length; tried++) {
      const lane = this.#order[this.#at % this.#order.length]!
      this.#at = (this.#at + 1) % this.#order.length
      const ring = this.#lanes.get(lane)!
      if (ring.length === 0 || !allows(lane)) continue
      const channel = nextOf(ring)
      channel.waitsForTurn = false
      return channel
    }
    return undefined
  }
}

function nextOf(ring: Channel[]): Channel {
  for (let passed = 0; passed < ring.length; passed++) {
    const channel = ring.shift()!
    if (channel.debtBytes <= 0) return channel
    channel.debtBytes -= MAX_FRAME_BYTES
    ring.push(channel)
  }
  // All are in debt: none of them is ahead of the others.
  return ring.shift()!
}

/** After a turn: what was sent beyond a frame's worth. */
export function charge(channel: Channel, bytes: number): void {
  channel.debtBytes = Math.max(0, channel.debtBytes) + Math.max(0, bytes - MAX_FRAME_BYTES)
}
