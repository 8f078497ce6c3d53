import { describe, expect, test } from 'vitest'
import { createEventLog, EVENTS_KEPT } from '../../../src/telemetry/events.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { createTelemetry } from '../../../src/telemetry/telemetry.ts'

describe('the ring of events', () => {
  test('keeps the newest, oldest first, and bounded', () => {
    const events = createEventLog(() => 7)
    for (let at = 1; at <= EVENTS_KEPT + 500; at++) events.record('gap', `${at}`)
    const kept = events.recent(10_000)
    expect(kept).toHaveLength(EVENTS_KEPT)
    expect(kept[0]).toMatchObject({ sequence: 501, message: '501', timeMs: 7 })
    expect(kept.at(-1)).toMatchObject({ sequence: EVENTS_KEPT + 500 })
  })

  test('gives the newest of a limit, or what came after a sequence', () => {
    const events = createEventLog(() => 0)
    for (let at = 1; at <= 10; at++) events.record('gap', `${at}`)
    expect(events.recent(2).map(event => event.message)).toEqual(['9', '10'])
    expect(events.recent(100, 8).map(event => event.message)).toEqual(['9', '10'])
    expect(events.recent(100, 10)).toEqual([])
    expect(events.recent(0)).toEqual([])
  })

  test('tells subscribers until they stop', () => {
    const events = createEventLog(() => 0)
    const seen: string[] = []
    const stop = events.subscribe(event => seen.push(event.message))
    events.record('halted', 'one')
    stop()
    events.record('halted', 'two')
    expect(seen).toEqual(['one'])
  })
})

test('an event is kept, counted, and logged at its level with its place', async () => {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger('info', { write: (line: string) => void lines.push(JSON.parse(line)) })
  const telemetry = createTelemetry({ dc: 'us', node: 'us-1', version: '1', level: 'info', logger })
  const place = { link: 'eu->us', topic: 't', partition: 2, fromOffset: 5, toOffset: 9 }
  telemetry.events.record('gap', 'four records are gone', place)
  expect(telemetry.events.recent(1)).toMatchObject([{ name: 'gap', ...place }])
  expect(await telemetry.registry.text()).toContain('isthmus_events_total{name="gap"} 1')
  expect(lines).toMatchObject([{ level: 'warn', component: 'events', msg: 'four records are gone', ...place }])
})
