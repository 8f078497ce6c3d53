import { expect, test } from 'vitest'
import { configSource } from '../../src/config/source.ts'
import { LocalCatalog } from '../../src/topics/local-catalog.ts'
import { servedTopics } from '../../src/wiring/serving.ts'
import { configOf } from '../support/config.ts'
import { wallClock } from '../support/link/rig.ts'
import { ModelTopicAdmin } from '../support/model/topic-admin.ts'

test('of the configs of a topic peers are told those that matter and were set on it: defaults of a cluster stay its own', async () => {
  const admin = new ModelTopicAdmin()
  admin.put('orders', 3, { 'cleanup.policy': 'compact', 'min.insync.replicas': '2' })
  const catalog = new LocalCatalog({ admin, clock: wallClock, onTrouble: () => {} })
  await catalog.refresh()
  const [orders] = [...servedTopics(configSource(configOf()), catalog, []).of('us')!.topics()]
  expect(orders).toMatchObject({ name: 'orders', configs: { 'cleanup.policy': 'compact' }, compacted: true })
  expect(Object.keys(orders!.configs)).toEqual(['cleanup.policy'])
})

test('how large a batch may come is told also where only the cluster says it', async () => {
  const admin = new ModelTopicAdmin()
  admin.put('orders', 1)
  admin.setDefault('orders', 'max.message.bytes', '9000000')
  const catalog = new LocalCatalog({ admin, clock: wallClock, onTrouble: () => {} })
  await catalog.refresh()
  expect(servedTopics(configSource(configOf()), catalog, []).of('us')!.get('orders')).toMatchObject({
    configs: {},
    maxMessageBytes: 9_000_000,
  })
})
