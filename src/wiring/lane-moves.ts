import type { LaneOwner } from '../ingest/lane-owner.ts'
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

/** `0-3, 7, 9-10`. */
export function laneRanges(lanes: readonly number[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const lane of lanes.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to === lane - 1) last.to = lane
    else ranges.push({ from: lane, to: lane })
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}
