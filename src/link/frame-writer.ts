import { MAX_FRAME_BYTES } from '../route/batch-limits.ts'
import type { FrameMessage } from '../route/pull.ts'
import { batchBytes } from './frame-check.ts'
import { EncodedFrame } from './frame-encoder.ts'
import type { FramePiece } from './messages.ts'

/**
 * A frame on its way out. It is encoded when gRPC takes it, not when it is queued, so that what waits costs no copy;
 * the fetched buffers it points into stay untouched until then.
 */
export interface QueuedFrame {
  readonly piece: FramePiece
  readonly bytes: number
}

/** The response serializer of the service: small messages are encoded already, frames encode themselves in place. */
export function serializeResponse(message: Buffer | QueuedFrame): Buffer {
  return Buffer.isBuffer(message) ? message : (new EncodedFrame(message.piece) as unknown as Buffer)
}

/** One message for what fits into a frame; several, of which all but the last are `continued`, for a larger batch. */
export function piecesOf(frame: FrameMessage): QueuedFrame[] {
  const bytes = batchBytes(frame)
  if (bytes <= MAX_FRAME_BYTES) return [{ piece: { ...frame, continued: false }, bytes }]
  const pieces: QueuedFrame[] = []
  let left = bytes
  for (const batch of frame.batches) {
    for (let at = 0; at < batch.length; at += MAX_FRAME_BYTES) {
      const part = batch.subarray(at, at + MAX_FRAME_BYTES)
      left -= part.length
      pieces.push({ piece: { ...frame, batches: [part], continued: left > 0 }, bytes: part.length })
    }
  }
  return pieces
}
