import { expect, test } from 'vitest'
import { CatalogFeed } from '../../../src/egress/catalog-feed.ts'
import type { FrameSink, OfferedTopic } from '../../../src/egress/ports.ts'

test('a relay that knows no catalog yet says nothing, instead of that there is nothing', () => {
  const told: unknown[] = []
  const sink = { catalog: (...what: unknown[]) => told.push(what) } as unknown as FrameSink
  let changed = () => {}
  const orders = { name: 'orders', topicId: 'id', partitions: 1, configs: {}, maxMessageBytes: 0 } as OfferedTopic
  const offer = {
    known: false,
    get: () => orders,
    topics: () => (offer.known ? [orders] : []),
    subscribe: (listener: () => void) => {
      changed = listener
      return () => {}
    },
  }
  new CatalogFeed({ of: () => offer, refused: () => undefined }, offer, 'us', sink)
  changed()
  expect(told).toEqual([])
  offer.known = true
  changed()
  changed()
  expect(told).toMatchObject([[[{ name: 'orders' }], [], true]])
})
