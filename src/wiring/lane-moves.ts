import type { LaneOwner } from '../ingest/lane-owner.ts'
import { laneRanges } from '../route/lanes.ts'
import type { EventLog } from '../telemetry/events.ts'

/** Tells which lanes came to this node and which left it. */
export function tellLaneMoves(lanes: LaneOwner, events: EventLog): void {
  let before: ReadonlySet<number> = new Set()
  lanes.subscribe(now => {
    const came = now.difference(before)
    const left = before.difference(now)
    before = now
    if (came.size === 0 && left.size === 0) return
    const moves = [...said(came, 'came'), ...said(left, 'left')].join(', ')
    events.record('lane-moved', `${moves}; ${now.size} are owned now`)
  })
}

function said(lanes: ReadonlySet<number>, what: string): string[] {
  return lanes.size === 0 ? [] : [`lanes ${laneRanges([...lanes])} ${what}`]
}
