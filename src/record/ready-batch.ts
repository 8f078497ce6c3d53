/** A batch ready to be produced: everything set but producerId, epoch, sequence, the transactional bit and the CRC, which the writer stamps. */
export interface ReadyBatch {
  /** 61 bytes (KIP-98 v2 header), owned by the writer from now on. */
  readonly header: Buffer
  /** What follows the header on the wire, in order; compressed as the header says. Owned by the writer until the answer. */
  readonly body: readonly Buffer[]
  readonly recordCount: number
  /** Whole batch on the wire: header and body. */
  readonly sizeBytes: number
}
