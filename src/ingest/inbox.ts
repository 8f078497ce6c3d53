import { GatewayError } from '../errors.ts'
import { leaderEpochOf, maxTimestampOf, nextOffsetOf, recordCountOf } from '../record/batch.ts'
import type { FrameMessage } from '../route/pull.ts'

/** Source batches of one partition that arrived and were not yet turned into target batches. */
export interface Inbox {
  readonly frames: FrameMessage[]
  /** Next origin offset that a frame must continue from. */
  readonly receivedNext: number
  readonly bufferedBytes: number
}

export type Accepted =
  | { readonly kind: 'taken'; readonly inbox: Inbox }
  /** Wholly below what is held already: an old session's frame. Harmless. */
  | { readonly kind: 'repeated' }

/** Work for one target batch, cut from the front of the inbox. */
export interface Cut {
  readonly batches: readonly Buffer[]
  /** Records below were taken before, or lie in a declared gap. */
  readonly from: number
  readonly next: number
  readonly leaderEpoch: number
  readonly gap: boolean
  readonly relayed: boolean
  readonly wireBytes: number
}

export function emptyInbox(receivedNext: number): Inbox {
  return { frames: [], receivedNext, bufferedBytes: 0 }
}

/**
 * Takes a frame whose `from` continues what is held; lower is trimmed later by the transform, higher is a hole that only
 * the origin may declare (2.3). Throws GatewayError PEER_PROTOCOL for a hole.
 */
export function accept(inbox: Inbox, frame: FrameMessage): Accepted {
  if (frame.from > inbox.receivedNext)
    throw new GatewayError(
      'PEER_PROTOCOL',
      'partition',
      `a frame covers from origin offset ${frame.from}, but ${inbox.receivedNext} is next: records would be skipped`,
    )
  if (frame.next <= inbox.receivedNext) return { kind: 'repeated' }
  inbox.frames.push(frame.from < inbox.receivedNext ? { ...frame, from: inbox.receivedNext } : frame)
  const bufferedBytes = inbox.bufferedBytes + wireBytes(frame)
  return { kind: 'taken', inbox: { frames: inbox.frames, receivedNext: frame.next, bufferedBytes } }
}

/**
 * Batches from the front, up to `maxWireBytes` (at least one), all direct or all relayed, and no further than the first
 * frame that `stopAt` names. Direct frames are cut between batches; relayed ones stay whole, since only their position
 * headers know origin offsets.
 */
export function cut(
  inbox: Inbox,
  maxWireBytes: number,
  stopAt: (frame: FrameMessage) => boolean,
): { inbox: Inbox; cut: Cut | undefined } {
  const first = inbox.frames[0]
  if (!first || stopAt(first)) return { inbox, cut: undefined }
  const batches: Buffer[] = []
  let { next, leaderEpoch } = first
  let bytes = 0
  let gap = false
  for (let frame = inbox.frames[0]; frame !== undefined; frame = inbox.frames[0]) {
    if (frame.relayed !== first.relayed || stopAt(frame)) break
    const room = maxWireBytes - bytes
    const fitting = frame.relayed ? wholeFrame(frame, room) : countFitting(frame.batches, room)
    const atLeast = batches.length > 0 ? 0 : frame.relayed ? frame.batches.length : Math.min(1, frame.batches.length)
    const taken = Math.max(atLeast, fitting)
    if (taken === 0 && frame.batches.length > 0) break
    for (let i = 0; i < taken; i++) {
      const batch = frame.batches[i]!
      batches.push(batch)
      bytes += batch.length
    }
    gap ||= frame.gap
    if (taken >= frame.batches.length) {
      next = frame.next
      leaderEpoch = frame.leaderEpoch
      inbox.frames.shift()
      continue
    }
    const last = frame.batches[taken - 1]!
    next = nextOffsetOf(last)
    leaderEpoch = leaderEpochOf(last)
    inbox.frames[0] = { ...frame, from: next, batches: frame.batches.slice(taken), gap: false }
    break
  }
  const rest = { ...inbox, bufferedBytes: inbox.bufferedBytes - bytes }
  return {
    inbox: rest,
    cut: { batches, from: first.from, next, leaderEpoch, gap, relayed: first.relayed, wireBytes: bytes },
  }
}

function wholeFrame(frame: FrameMessage, roomBytes: number): number {
  return wireBytes(frame) <= roomBytes ? frame.batches.length : 0
}

function countFitting(batches: readonly Buffer[], roomBytes: number): number {
  let bytes = 0
  for (let count = 0; count < batches.length; count++) {
    bytes += batches[count]!.length
    if (bytes > roomBytes) return count
  }
  return batches.length
}

export function wireBytes(frame: FrameMessage): number {
  let bytes = 0
  for (const batch of frame.batches) bytes += batch.length
  return bytes
}

export function recordsIn(batches: readonly Buffer[]): number {
  let records = 0
  for (const batch of batches) records += recordCountOf(batch)
  return records
}

/** F9: producer state expires by the time of the data, so batches older than this may only go in transactions. */
export function holdsOldData(frame: FrameMessage, oldBeforeMs: number): boolean {
  for (const batch of frame.batches) {
    if (recordCountOf(batch) > 0 && maxTimestampOf(batch) < oldBeforeMs) return true
  }
  return false
}
