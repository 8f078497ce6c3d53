import { status as Code } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AdminServer, adminServer } from '../../src/admin/server.ts'
import { GatewayError } from '../../src/errors.ts'
import { createEventLog, EVENTS, type EventLog, type EventName } from '../../src/telemetry/events.ts'
import {
  type FakeGateway,
  fakeGateway,
  gatewayStatus,
  linkView,
  partitionView,
  topicView,
} from '../support/admin-fakes.ts'
import { type Message, type ReflectionClient, reflectionClient } from '../support/reflection-client.ts'

const ADMIN = 'isthmus.admin.v1.Admin'

let gateway: FakeGateway
let events: EventLog
let server: AdminServer
let client: ReflectionClient

beforeEach(async () => {
  gateway = fakeGateway()
  events = createEventLog(() => 1000)
  server = adminServer({
    listen: { host: '127.0.0.1', port: 0 },
    source: gateway,
    operator: gateway,
    events,
    eventLevel: name => EVENTS[name as EventName][0],
  })
  await server.start()
  client = reflectionClient(`127.0.0.1:${server.port()}`)
})

afterEach(async () => {
  client.close()
  await server.stop(1000)
})

describe('a client that knows only the address', () => {
  test('finds every service by reflection', async () => {
    expect(await client.services()).toEqual(expect.arrayContaining([ADMIN, 'grpc.health.v1.Health']))
  })

  test('reads the status of the node', async () => {
    gateway.all = [
      linkView('eu', { topics: [topicView('a', { partitions: [partitionView(0, { state: 'halted' })] })] }),
    ]
    const status = await client.call(`${ADMIN}/GetStatus`)
    expect(status).toMatchObject({
      dc: 'us',
      node: 'us-1',
      kafka: { clusterId: 'k4fkA-us', reachable: true, brokers: 3 },
      members: [
        { node: 'us-1', lanes: 8 },
        { node: 'us-2', laneNumbers: [8, 9, 10, 11, 12, 13, 14, 15] },
      ],
      served: [{ link: 'us->eu', peerNode: 'eu-1' }],
      memory: { boundBytes: 200 << 20 },
      links: 1,
      haltedPartitions: 1,
    })
  })

  test('asks for the health and sees it change with the checks', async () => {
    const health = () => client.call('grpc.health.v1.Health/Check', { service: ADMIN })
    expect(await health()).toMatchObject({ status: 'SERVING' })
    gateway.state = gatewayStatus({ checks: [{ name: 'kafka', ok: false, why: 'no broker' }] })
    await expect.poll(health, { timeout: 10_000 }).toMatchObject({ status: 'NOT_SERVING' })
  })
})

describe('ListLinks', () => {
  test('sums lag and rate over topics and takes the oldest record for seconds', async () => {
    gateway.all = [
      linkView('eu', {
        topics: [topicView('a'), topicView('b', { lag: { records: 5, bytes: 100, seconds: 7 } })],
      }),
    ]
    const { links } = await client.call(`${ADMIN}/ListLinks`)
    expect(links[0]).toMatchObject({
      link: 'eu->us',
      path: ['eu'],
      lag: { records: 15, bytes: 2600, seconds: 7 },
      rate: { recordsPerSecond: 2400 },
      partitions: { running: 4, halted: 0 },
    })
  })

  test('gives partitions only when asked, but halted ones always, with their reason', async () => {
    const halted = partitionView(1, { state: 'halted', reason: 'too large', code: 'BATCH_TOO_LARGE' })
    gateway.all = [linkView('eu', { topics: [topicView('a', { partitions: [partitionView(0), halted] })] })]
    const brief = await client.call(`${ADMIN}/ListLinks`)
    expect(brief.links[0].topics[0].partitions).toMatchObject([
      { partition: 1, reason: 'too large', code: 'BATCH_TOO_LARGE' },
    ])
    const full = await client.call(`${ADMIN}/ListLinks`, { partitions: true })
    expect(full.links[0].topics[0].partitions).toHaveLength(2)
  })

  test('walks all topics in pages, each once', async () => {
    const topics = Array.from({ length: 23 }, (_, at) => topicView(`t${at}`))
    gateway.all = [linkView('eu', { topics }), linkView('ap', { topics })]
    const seen: string[] = []
    let pageToken = ''
    do {
      const page = await client.call(`${ADMIN}/ListLinks`, { pageSize: 7, pageToken })
      for (const link of page.links) for (const topic of link.topics) seen.push(`${link.origin}/${topic.topic}`)
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(seen).toHaveLength(46)
    expect(new Set(seen).size).toBe(46)
  })

  test('refuses a token that it did not give', async () => {
    await expect(client.call(`${ADMIN}/ListLinks`, { pageToken: 'x' })).rejects.toMatchObject({
      code: Code.INVALID_ARGUMENT,
      details: 'page_token is not one that this service gave',
    })
  })
})

describe('what an operator does', () => {
  test('a link can be paused and resumed by its origin or by its name', async () => {
    expect(await client.call(`${ADMIN}/PauseLink`, { origin: 'eu->us', reason: 'upgrade' })).toMatchObject({
      link: 'eu->us',
    })
    expect(await client.call(`${ADMIN}/ResumeLink`, { origin: 'eu' })).toMatchObject({
      link: 'eu->us',
      wasPaused: true,
    })
    expect(gateway.acts).toEqual(['pause eu upgrade', 'resume eu'])
  })

  test('an unknown link is NOT_FOUND and named with those that exist', async () => {
    await expect(client.call(`${ADMIN}/PauseLink`, { origin: 'mars' })).rejects.toMatchObject({
      code: Code.NOT_FOUND,
      details: 'us has no link "mars"; it has eu->us',
    })
  })

  test('an unknown log level is INVALID_ARGUMENT; a known one is set', async () => {
    await expect(client.call(`${ADMIN}/SetLogLevel`, { level: 'loud' })).rejects.toMatchObject({
      code: Code.INVALID_ARGUMENT,
    })
    expect(await client.call(`${ADMIN}/SetLogLevel`, { level: 'debug' })).toMatchObject({ previousLevel: 'info' })
  })

  test('a failure has a canonical code, our code and the hint in its trailers', async () => {
    gateway.pauseLink = async () => {
      throw new GatewayError('CLUSTER_UNREACHABLE', 'process', 'no broker answers', { hint: 'start one – or two' })
    }
    const error = await client.call(`${ADMIN}/PauseLink`, { origin: 'eu' }).catch(error => error)
    expect(error).toMatchObject({ code: Code.UNAVAILABLE, details: 'no broker answers' })
    expect(error.metadata.get('isthmus-code')).toEqual(['CLUSTER_UNREACHABLE'])
    expect(decodeURIComponent(error.metadata.get('isthmus-hint')[0])).toBe('start one – or two')
  })

  test('a bug is INTERNAL and tells no inside', async () => {
    gateway.pauseLink = async () => {
      throw new TypeError('secret of the house')
    }
    await expect(client.call(`${ADMIN}/PauseLink`, { origin: 'eu' })).rejects.toMatchObject({
      code: Code.INTERNAL,
      details: 'a bug in the gateway; its log says more',
    })
  })
})

describe('WatchEvents', () => {
  test('gives what was kept and goes on live, with exact ranges', async () => {
    events.record('gap', 'lost 3', { link: 'eu->us', topic: 'orders', partition: 0, fromOffset: 0, toOffset: 3 })
    const stream = await client.stream(`${ADMIN}/WatchEvents`)
    const seen: Message[] = []
    for await (const { event } of stream) {
      seen.push(event)
      if (seen.length === 1) events.record('halted', 'stop')
      else break
    }
    expect(seen).toMatchObject([
      {
        sequence: 1,
        name: 'gap',
        level: 'warn',
        link: 'eu->us',
        topic: 'orders',
        partition: 0,
        fromOffset: 0,
        toOffset: 3,
      },
      { sequence: 2, name: 'halted', level: 'error', message: 'stop' },
    ])
  })

  test('ends after the backlog when asked once, and filters by name', async () => {
    events.record('gap', 'one')
    events.record('halted', 'two')
    events.record('gap', 'three')
    const seen: string[] = []
    for await (const { event } of await client.stream(`${ADMIN}/WatchEvents`, { once: true, names: ['gap'] }))
      seen.push(event.message)
    expect(seen).toEqual(['one', 'three'])
  })
})

test('stops in time although somebody watches', async () => {
  const stream = await client.stream(`${ADMIN}/WatchEvents`)
  events.record('gap', 'one')
  const ended = (async () => {
    for await (const _ of stream);
  })().catch(error => error.code)
  await server.stop(1000)
  expect(await ended).toBeTypeOf('number')
})
