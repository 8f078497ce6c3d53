import { expect, test } from 'vitest'
import { configSource } from '../../src/config/source.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { TopicFollower } from '../../src/topics/follow.ts'
import { LocalCatalog } from '../../src/topics/local-catalog.ts'
import { followSettings } from '../../src/wiring/inbound-links.ts'
import { liveConfig, topicsChanges } from '../../src/wiring/live-config.ts'
import { servedTopics } from '../../src/wiring/serving.ts'
import { configOf } from '../support/config.ts'
import { eventually, wallClock } from '../support/link/rig.ts'
import { ModelTopicAdmin } from '../support/model/topic-admin.ts'

/** A node of `us` that follows `eu`, as far as topics go. */
async function node(topics: string) {
  const source = configSource(configOf(topics))
  const live = liveConfig(source)
  const admin = new ModelTopicAdmin()
  admin.put('local', 1)
  const catalog = new LocalCatalog({ admin, clock: wallClock, onTrouble: () => {} })
  const told: string[] = []
  const follower = new TopicFollower(followSettings(live.current(), 'eu'), {
    dc: 'us',
    admin,
    catalog,
    clock: wallClock,
    contents: { firstStartWouldDouble: async () => false },
    topics: {
      ready: ({ name, start }) => told.push(`${name} from ${start.kind}, gap ${live.current().topics.onGap}`),
      withdrawn: (_origin, name) => told.push(`no ${name}`),
    },
    events: { record: () => {} },
  })
  const served = servedTopics(live, catalog, [])
  let rechecks = 0
  const changes = topicsChanges(live, {
    links: [{ origin: 'eu', topics: follower }],
    egress: { recheck: () => rechecks++ },
    log: createLogger('error', { write: () => {} }),
  })
  await catalog.refresh()
  await follower.start()
  await changes.start()
  const offered = ['orders', 'clicks'].map(name => ({
    name,
    topicId: `id-${name}`,
    partitions: 1,
    configs: {},
    maxMessageBytes: 0,
  }))
  follower.remoteCatalog(offered, [], true)
  return {
    told,
    served,
    live,
    changes,
    rechecks: () => rechecks,
    replace: (next: string) => source.replace(configOf(next)),
  }
}

test('topics that a new config wants begin, and those that it does not want end, without a restart', async () => {
  const us = await node('{ include: [orders] }')
  await eventually(() => expect(us.told).toEqual(['orders from earliest, gap skip']))
  us.replace('{ include: [clicks], start: latest }')
  await eventually(() => expect(us.told.slice(1).toSorted()).toEqual(['clicks from latest, gap skip', 'no orders']))
  await us.changes.stop(0)
  us.replace('{ include: [] }')
  expect(us.rechecks()).toBe(1)
})

test('a policy that changes is told for topics that stay as they are', async () => {
  const us = await node('{ include: [orders] }')
  await eventually(() => expect(us.told).toHaveLength(1))
  us.replace('{ include: [orders], onGap: halt }')
  await eventually(() => expect(us.told[1]).toBe('orders from earliest, gap halt'))
})

test('a rule that changes holds for what is served, at once', async () => {
  const us = await node('{ include: [] }')
  expect(us.served.refused('local', 'eu')).toBeUndefined()
  us.replace('{ include: [], rules: [{ match: local, allowDcs: [ap] }] }')
  expect(us.rechecks()).toBe(1)
  expect(us.served.refused('local', 'eu')).toContain('allows ap, not eu')
})

test('names of topics here stay as the node was started with', async () => {
  const us = await node('{ include: [orders] }')
  us.replace('{ include: [orders], rename: "{origin}.{topic}" }')
  expect(us.live.current().topics.rename).toBe('{topic}')
  expect(us.live.current()).toBe(us.live.current())
})
