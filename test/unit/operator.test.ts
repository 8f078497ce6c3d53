import { expect, test } from 'vitest'
import { Control, type ControlValue } from '../../src/state/control.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import type { InboundLink } from '../../src/wiring/inbound-links.ts'
import { operator } from '../../src/wiring/operator.ts'

/** Two nodes of one data center over one control topic: each sees every change. */
function twoNodes() {
  const kept = new Map<string, ControlValue>()
  const controls: Control[] = []
  const table = {
    get: (key: string) => kept.get(key),
    entries: () => kept.entries(),
    put: async (key: string, value: ControlValue | null) => {
      if (value === null) kept.delete(key)
      else kept.set(key, value)
      for (const control of controls) control.changed(key, value)
      return {} as never
    },
    catchUp: async () => {},
  }
  return ['us-1', 'us-2'].map(node => {
    const control = new Control(
      table,
      () => 0,
      () => {},
    )
    controls.push(control)
    const revived: boolean[] = []
    const ingest = {
      paused: false,
      setPaused: (paused: boolean) => {
        ingest.paused = paused
        revived.push(paused)
      },
    }
    const link = { origin: 'eu', ingest, link: { pause: () => {}, resume: () => {} } } as unknown as InboundLink
    const logger = createLogger('error', { write: () => {} })
    const telemetry = createTelemetry({ dc: 'us', node, version: '1', level: 'error', logger })
    const events = () => telemetry.events.recent(10).map(({ name }) => name)
    return { operate: operator('us', control, [link], telemetry), revived, events }
  })
}

test('a resume lets halted partitions try again on every node, whether the link was paused or not', async () => {
  const [asked, other] = twoNodes()
  await asked!.operate.resumeLink('eu')
  expect([asked!.revived, other!.revived]).toEqual([[false], [false]])
  expect(other!.events()).toEqual([])
  await asked!.operate.pauseLink('eu', 'maintenance')
  await other!.operate.resumeLink('eu')
  expect([asked!.revived, other!.revived]).toEqual([
    [false, true, false],
    [false, true, false],
  ])
  expect(other!.events()).toEqual(['link-paused', 'link-resumed'])
})
