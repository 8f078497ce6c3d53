import { expect, test } from 'vitest'
import type { Checkpoint } from '../../../src/ingest/ports.ts'
import { LostWriters } from '../../../src/state/lost-writers.ts'
import { Progress } from '../../../src/state/progress.ts'
import { Registry, type RegistryValue } from '../../../src/state/registry.ts'

function registryOf(...producerIds: number[]): Registry {
  const kept = new Map<string, RegistryValue>()
  const registry = new Registry({
    get: key => kept.get(key),
    entries: () => kept.entries(),
    put: async (key, value) => {
      kept.set(key, value!)
      return {} as never
    },
    catchUp: async () => {},
  })
  for (const producerId of producerIds) registry.changed({ v: 1, kind: 'writer', ...writer(producerId) })
  return registry
}

const writer = (producerId: number) => ({ producerId, origin: 'eu', topic: 'orders', partition: 0, generation: 3 })

function progressOf(...producerIds: number[]): Progress {
  const progress = new Progress({} as never, {} as never)
  for (const producerId of producerIds) {
    const checkpoint = { v: 1, ...writer(producerId), producerEpoch: 0, position: 1 } as unknown as Checkpoint & {
      v: 1
    }
    progress.changed(`eu/orders/0/${producerId}/0`, checkpoint)
  }
  return progress
}

test('nothing leaves of a partition whose writer has a checkpoint and no entry, until it is registered again', async () => {
  const registry = registryOf()
  const lost = await LostWriters.look(progressOf(7), registry)
  expect(lost.partitions()).toEqual(['orders-0'])
  expect(lost.of('orders', 0)).toContain('does not know producerId 7')
  expect(lost.of('orders', 1)).toBeUndefined()
  await registry.register(writer(7))
  expect(lost.of('orders', 0)).toBeUndefined()
  expect(lost.partitions()).toEqual([])
})

test('the generation is restored, so that the same transactional.id takes over', async () => {
  const registry = registryOf()
  await LostWriters.look(progressOf(7), registry)
  expect(registry.generationOf('eu', 'orders', 0)).toBe(3)
})

test('a registry that knows all writers has lost none', async () => {
  expect((await LostWriters.look(progressOf(7), registryOf(7))).partitions()).toEqual([])
})
