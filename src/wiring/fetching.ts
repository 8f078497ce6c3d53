import type { Component } from '../component.ts'
import type { GroupMembership } from '../kafka/index.ts'
import type { Control } from '../state/control.ts'
import type { InboundLink } from './inbound-links.ts'
import { applyPause } from './operator.ts'

/** All partitions of all links drain together. One that cannot must not keep the others from their next owner. */
const DRAIN_MS = 3_000
/** Kept of the deadline for what comes after: links, and to leave the group. */
const HAND_OVER_MS = 3_000
const LINKS_MS = 1_000

/**
 * All that fetches and writes here, the node's share of lanes included. One component, since its end has an order:
 * ingests drain while their sessions still acknowledge; and the group is left when nothing more is begun, in any case,
 * so that others need not wait for a session time-out.
 */
export function fetching(
  membership: Pick<GroupMembership, 'start' | 'stop'>,
  links: readonly Pick<InboundLink, 'origin' | 'ingest' | 'link' | 'topics'>[],
  control: Control,
): Component {
  return {
    name: 'links',
    async start() {
      await membership.start()
      for (const inbound of links) {
        const pause = control.paused(inbound.origin)
        if (pause) applyPause(inbound, pause.reason)
        await inbound.topics.start()
        await inbound.link.start()
      }
    },
    async stop(deadlineMs) {
      const drainMs = Math.min(DRAIN_MS, Math.max(0, deadlineMs - HAND_OVER_MS))
      await Promise.all(links.map(({ ingest }) => ingest.stop(drainMs)))
      const closing = links.flatMap(({ link, topics }) => [topics.stop(LINKS_MS), link.stop(LINKS_MS)])
      await Promise.race([Promise.allSettled(closing), elapsed(LINKS_MS)])
      await membership.stop()
    },
  }
}

function elapsed(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms).unref())
}
