import { expect, test } from 'vitest'
import { systemClock } from '../../../src/component.ts'
import { endsWithin } from '../../../src/ingest/drain.ts'
import { fetching } from '../../../src/wiring/fetching.ts'
import type { InboundLink } from '../../../src/wiring/inbound-links.ts'

const never = new Promise<void>(() => {})

test('what ends by itself is not given up', async () => {
  const told: string[] = []
  await endsWithin(systemClock, 60_000, Promise.resolve(), () => told.push('given up'))
  expect(told).toEqual([])
})

test('what waits for answers is told to give up, and may then end in order', async () => {
  const told: string[] = []
  let end = () => {}
  const life = new Promise<void>(resolve => {
    end = resolve
  })
  await endsWithin(systemClock, 1, life, () => {
    told.push('given up')
    end()
  })
  expect(told).toEqual(['given up'])
})

test('what never ends is left behind', async () => {
  await endsWithin(systemClock, 1, never, () => {})
})

test('the group is left although a link never drains and another never closes', async () => {
  const order: string[] = []
  const link = (origin: string, ends: Promise<void>) =>
    ({
      origin,
      ingest: { stop: async (ms: number) => void order.push(`${origin} drains within ${ms}`) },
      topics: { stop: async () => {} },
      link: { stop: () => ends },
    }) as unknown as InboundLink
  const group = { start: async () => {}, stop: async () => void order.push('left') }
  const control = { paused: () => undefined } as unknown as Parameters<typeof fetching>[2]
  const links = [link('eu', never), link('ap', Promise.resolve())]
  await fetching(group, links, control).stop(5_000)
  expect(order).toEqual(['eu drains within 2000', 'ap drains within 2000', 'left'])
})
