import type { LocalHandle } from '../../deploy/local/types.ts'
import { adminClient } from '../../src/admin/client.ts'

/** An event as the admin API tells it (admin.proto). int64 fields arrive as text or number. */
export interface SeenEvent {
  readonly name: string
  readonly message: string
  readonly link: string
  readonly topic: string
  readonly partition?: number
  readonly fromOffset?: number
  readonly toOffset?: number
}

const EVENTS_KEPT = 1_000

/** Events of all running gateway nodes of a data center that are still kept, oldest first per node. */
export async function eventsOf(local: LocalHandle, dc: string, names: readonly string[]): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = []
  for (const gateway of local.info().dcs[dc]!.gateways) {
    if (gateway.pid === null) continue
    const client = adminClient(gateway.admin)
    const request = { backlog: EVENTS_KEPT, names, once: true }
    for await (const { event } of client.watch<{ event: RawEvent }>(request, AbortSignal.timeout(10_000))) {
      seen.push({ ...event, fromOffset: numberOf(event.fromOffset), toOffset: numberOf(event.toOffset) })
    }
    client.close()
  }
  return seen
}

type RawEvent = Omit<SeenEvent, 'fromOffset' | 'toOffset'> & {
  readonly fromOffset?: string | number
  readonly toOffset?: string | number
}

function numberOf(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value)
}
