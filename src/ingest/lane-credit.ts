/**
 * Credit of one lane as the target grants it: absolute and monotone within a session, so that a lost or repeated grant
 * does no harm. Granted = received in this session + what the lane may still hold.
 */
export interface LaneCredit {
  /** Frame bytes that came in this session. */
  readonly receivedBytes: number
  /** Frame bytes of any session that are neither safe nor dropped. */
  readonly heldBytes: number
  /** Last grant sent in this session. */
  readonly sentBytes: number
}

export const noCredit: LaneCredit = { receivedBytes: 0, heldBytes: 0, sentBytes: 0 }

/** Smaller raises are saved up: at low rates a grant per batch would cost more than the batch. */
const RAISE_SHARE = 4

/** A new session counts from zero; what older ones brought still takes room. */
export function newSession(credit: LaneCredit): LaneCredit {
  return { receivedBytes: 0, heldBytes: credit.heldBytes, sentBytes: 0 }
}

export function received(credit: LaneCredit, bytes: number): LaneCredit {
  return { ...credit, receivedBytes: credit.receivedBytes + bytes, heldBytes: credit.heldBytes + bytes }
}

export function givenBack(credit: LaneCredit, bytes: number): LaneCredit {
  return { ...credit, heldBytes: Math.max(0, credit.heldBytes - bytes) }
}

/** The grant to send now, if it is worth a message. */
export function grant(credit: LaneCredit, laneCreditBytes: number): { credit: LaneCredit; absoluteBytes?: number } {
  const absoluteBytes = credit.receivedBytes + Math.max(0, laneCreditBytes - credit.heldBytes)
  const raise = absoluteBytes - credit.sentBytes
  if (raise < laneCreditBytes / RAISE_SHARE) return { credit }
  return { credit: { ...credit, sentBytes: absoluteBytes }, absoluteBytes }
}
