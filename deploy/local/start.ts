import type { LocalHandle, LocalOptions } from './types.ts'

export type * from './types.ts'

/**
 * Starts a Kafka cluster, a Redis and gateway nodes for each data center, on loopback, and resolves when all are ready.
 * Rejects with a message that names the process and its log when one does not come up; nothing is left running then.
 */
export async function startLocal(options: LocalOptions = {}): Promise<LocalHandle> {
  throw new Error(`not there yet: ${options.dir ?? ''}`)
}
