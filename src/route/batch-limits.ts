/** Sizes of batches on their way between data centers, in bytes of record batches. */

/** Batch bytes in one frame; a larger batch goes in continued frames. 256 KiB to 1 MiB is where grpc-js is fast (250-950 MB/s). */
export const MAX_FRAME_BYTES = 1 << 20
/** Largest batch that crosses, unless configured. */
export const DEFAULT_MAX_BATCH_BYTES = 16 << 20
