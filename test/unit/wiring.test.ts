import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { LaneOwner } from '../../src/ingest/lane-owner.ts'
import { laneRanges } from '../../src/route/lanes.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { ClusterHealth } from '../../src/wiring/cluster-health.ts'
import { tellLaneMoves } from '../../src/wiring/lane-moves.ts'
import { IngestTelemetry } from '../../src/wiring/observe.ts'
import { EgressTelemetry } from '../../src/wiring/observe-egress.ts'
import { SessionTelemetry } from '../../src/wiring/observe-sessions.ts'

/** What rooms tell, as an operator of `us` sees it. The clock moves by hand. */
function bench() {
  const logger = createLogger('error', { write: () => {} })
  const telemetry = createTelemetry({ dc: 'us', node: 'us-1', version: '1', level: 'error', logger })
  const clock = { ms: 0, nowMs: () => clock.ms, monotonicMs: () => clock.ms, sleep: () => Promise.resolve() }
  const events = () => telemetry.events.recent(100).map(({ name, link, message }) => [name, link, message])
  return { telemetry, clock, events, text: () => telemetry.registry.text() }
}

describe('sessions', () => {
  const session = { origin: 'eu', peer: 'eu', node: 'eu-1', address: '10.0.0.1:7400' }

  test('are counted and told with their link, the way in and the way out', async () => {
    const { telemetry, clock, events, text } = bench()
    const fetching = new SessionTelemetry('us', 'in', telemetry, clock.monotonicMs)
    const serving = new SessionTelemetry('us', 'out', telemetry, clock.monotonicMs)
    fetching.opened(session)
    serving.opened({ origin: 'us', peer: 'ap', node: 'ap-1', address: '10.0.0.2:999' })
    fetching.ended(session, undefined)
    expect(events()).toEqual([
      ['session-opened', 'eu->us', 'fetches eu from eu-1 (10.0.0.1:7400)'],
      ['session-opened', 'us->ap', 'serves us to ap-1 (10.0.0.2:999)'],
      ['session-closed', 'eu->us', 'eu-1 hung up'],
    ])
    expect(await text()).toContain('isthmus_sessions_opened_total{link="us->ap",direction="out"} 1')
  })

  test('a refusal that goes on is counted each time and told once, until it is another one', async () => {
    const { telemetry, clock, events, text } = bench()
    const fetching = new SessionTelemetry('us', 'in', telemetry, clock.monotonicMs)
    const refused = { ...session, node: '', address: '' }
    for (let at = 0; at < 3; at++) fetching.refused(refused, new GatewayError('PEER_REFUSED', 'peer', 'no'))
    fetching.refused(refused, new GatewayError('LOOP_DETECTED', 'peer', 'a loop', { hint: 'mend via' }))
    fetching.refused(refused, new GatewayError('PEER_UNREACHABLE', 'peer', 'stopping'))
    expect(events()).toEqual([
      ['session-refused', 'eu->us', 'no'],
      ['session-refused', 'eu->us', 'a loop (mend via)'],
      ['loop', 'eu->us', 'a loop'],
    ])
    expect(await text()).toContain('isthmus_sessions_refused_total{direction="in",code="PEER_REFUSED"} 3')
  })
})

test('what does not cross is counted by reason, at both ends', async () => {
  const { telemetry, clock, events, text } = bench()
  new EgressTelemetry(telemetry.registry).passedOver('us', 'eu', 'aborted', 7)
  const ingest = new IngestTelemetry('us', telemetry, clock.monotonicMs)
  for (let at = 0; at < 3; at++) ingest.dropped('eu', 'orders', 'loop', 2)
  expect(await text()).toContain('isthmus_dropped_records_total{link="us->eu",reason="aborted"} 7')
  expect(await text()).toContain('isthmus_dropped_records_total{link="eu->us",reason="loop"} 6')
  expect(events()).toHaveLength(1)
})

test('a partition that was halted is told to run again, once', () => {
  const { telemetry, clock, events } = bench()
  const ingest = new IngestTelemetry('us', telemetry, clock.monotonicMs)
  const place = { origin: 'eu', topic: 'orders', partition: 3 }
  ingest.takeover(place, 'first', 5)
  ingest.event({ name: 'halted', message: 'too large', ...place })
  ingest.takeover(place, 'halt', 5)
  ingest.takeover(place, 'doubt', 5)
  expect(events().map(([name]) => name)).toEqual(['halted', 'resumed'])
})

test('lanes that move are told as ranges', () => {
  const { telemetry, clock, events } = bench()
  let assign: (lanes: ReadonlySet<number>, total: number) => void = () => {}
  const group = {
    onAssigned: (listener: typeof assign) => {
      assign = listener
    },
    lastConfirmedMonotonicMs: () => 0,
  }
  tellLaneMoves(new LaneOwner(group, clock, 1000, 16), telemetry.events)
  assign(new Set([0, 1, 2, 5]), 16)
  assign(new Set([0, 1, 2, 5]), 16)
  assign(new Set([1, 2, 9]), 16)
  expect(events().map(([, , message]) => message)).toEqual([
    'lanes 0-2, 5 came; 4 are owned now',
    'lanes 9 came, lanes 0, 5 left; 3 are owned now',
  ])
  expect(laneRanges([3, 1, 2, 0, 7])).toBe('0-3, 7')
})

test('a cluster whose requests keep failing counts as unreachable, whatever its sockets say', async () => {
  const { telemetry, clock } = bench()
  const health = new ClusterHealth(clock, telemetry.events)
  await health.watch(Promise.resolve())
  clock.ms = 9_000
  await expect(health.watch(Promise.reject(new Error('LEADER_NOT_AVAILABLE')))).rejects.toThrow()
  expect(health.problem()).toBeUndefined()
  clock.ms = 12_000
  expect(health.problem()).toBe('no answer for 12 s: LEADER_NOT_AVAILABLE')
  await health.watch(Promise.resolve())
  expect(health.problem()).toBeUndefined()
})
