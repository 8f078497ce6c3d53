import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  AclOperations,
  AclPermissionTypes,
  createAclsV3,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { systemClock } from '../../src/component.ts'
import { call } from '../../src/kafka/call.ts'
import { KafkaCluster } from '../../src/kafka/cluster.ts'
import { openTopicAdmin } from '../../src/kafka/topic-admin.ts'
import { type ReplicationServer, replicationServer } from '../../src/link/server.ts'
import type { CatalogTopic } from '../../src/route/pull.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'

/** `isthmus check` against a real cluster with an authorizer, and a peer that offers some topics. */

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts')

let kafka: TestCluster
let cluster: KafkaCluster
let peer: ReplicationServer
let directory: string

const OFFERED = ['orders', 'filled', 'locked', 'refused', 'orders.internal', 'orders.dlq']

function offered(name: string): CatalogTopic {
  const refused = name === 'refused' ? 'the rule "refused" allows ap, not us' : undefined
  return {
    name,
    topicId: `00000000-0000-4000-8000-${name.length.toString().padStart(12, '0')}`,
    partitions: 3,
    configs: {},
    maxMessageBytes: 0,
    refused,
  }
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'check-'))
  kafka = await startTestCluster({
    config: () => ({
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
      'super.users': 'User:nobody',
    }),
  })
  cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'test' })
  const admin = openTopicAdmin(cluster)
  for (const name of ['filled', 'locked', 'empty']) await admin.createTopic({ name, partitions: 3, configs: {} })
  await fill('filled')
  await onlyOthersMay(ResourceTypes.TOPIC, 'locked', AclOperations.WRITE)
  peer = replicationServer({
    listen: { host: '127.0.0.1', port: 0 },
    identity: () => ({ dc: 'eu', node: 'eu-1', clusterId: 'another', paths: [{ origin: 'eu', via: [] }] }),
    configured: dc => dc === 'us',
    source: {
      accept: (_peer, _origin, sink) => {
        queueMicrotask(() => sink.catalog(OFFERED.map(offered), [], true))
        const nothing = () => {}
        return { open: nothing, close: nothing, credit: nothing, ack: nothing, end: nothing }
      },
    },
    knownClusters: { get: () => undefined, remember: () => {} },
    maxReplicationHops: 3,
    clock: systemClock,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  await peer.start()
})

afterAll(async () => {
  await peer?.stop(1000)
  await cluster?.close()
  await kafka?.stop()
  rmSync(directory, { recursive: true })
})

/** An ACL for somebody else takes the resource away from us: `allow.everyone` holds only where there is none. */
async function onlyOthersMay(resourceType: number, resourceName: string, operation: number): Promise<void> {
  const answer = await call(await cluster.controllerConnection(), createAclsV3.api, [
    {
      resourceType,
      resourceName,
      resourcePatternType: resourceName.endsWith('.') ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
      principal: 'User:other',
      host: '*',
      operation,
      permissionType: AclPermissionTypes.ALLOW,
    },
  ] as never)
  expect(answer.results).toMatchObject([{ errorCode: 0 }])
}

/** One record that no gateway wrote. */
async function fill(topic: string): Promise<void> {
  const producer = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({ topic, messages: [{ value: 'x' }], acks: -1 })
  await producer.disconnect()
}

interface CheckResult {
  readonly code: number
  readonly ok: boolean
  readonly findings: readonly { step: string; level: string; where: string; what: string; whatToDo?: string }[]
  readonly topics: readonly { topic: string; crosses: boolean; target?: string; why: string }[]
  readonly stderr: string
}

function check(topics: object, over: object = {}): Promise<CheckResult> {
  const file = join(directory, 'isthmus.yaml')
  const config = {
    dc: 'us',
    kafka: { brokers: kafka.brokers, internalTopics: { replicationFactor: 1, minInsyncReplicas: 1 } },
    tls: 'none',
    peers: [{ dc: 'eu', addresses: [`127.0.0.1:${peer.port}`] }],
    topics,
    ...over,
  }
  writeFileSync(file, stringify(config))
  return new Promise((done, fail) => {
    execFile(process.execPath, [MAIN, 'check', '-c', file, '--json'], { timeout: 60_000 }, (error, stdout, stderr) => {
      if (stdout === '') fail(new Error(stderr))
      else done({ code: error === null ? 0 : Number(error.code), stderr, ...JSON.parse(stdout) })
    })
  })
}

const errorsOf = (result: CheckResult) => result.findings.filter(({ level }) => level === 'error')

test('says topic by topic what would be replicated, and why not', async () => {
  const result = await check({ include: ['*'], exclude: ['*.internal'] })
  expect(result.stderr).toBe('')
  expect(result.topics.map(({ topic, crosses }) => [topic, crosses])).toEqual([
    ['filled', false],
    ['locked', true],
    ['orders', true],
    ['orders.dlq', false],
    ['orders.internal', false],
    ['refused', false],
  ])
  const why = Object.fromEntries(result.topics.map(topic => [topic.topic, topic.why]))
  expect(why.orders).toContain('would be created here with 3 partitions')
  expect(why['orders.internal']).toBe('topics.exclude has "*.internal"')
  expect(why['orders.dlq']).toContain('dead-letter topics cross only where')
  expect(why.refused).toContain('allows ap, not us')
  expect(result.findings).toContainEqual(
    expect.objectContaining({ level: 'ok', what: expect.stringMatching(/^eu-1 at .*: eu->us, offers 6 topics$/) }),
  )
})

test('a filled target is refused until its start is said', async () => {
  const refused = await check({ include: ['filled'] })
  expect(refused).toMatchObject({ code: 1, ok: false })
  expect(errorsOf(refused)).toMatchObject([
    { where: 'eu->us filled', what: expect.stringContaining('already holds records') },
  ])
  expect(await check({ include: ['filled'], start: 'latest' })).toMatchObject({
    code: 0,
    topics: [{}, { topic: 'locked' }, {}, {}, {}, {}],
  })
  const confirmed = await check({
    include: ['filled'],
    start: [{ match: 'filled', from: 'earliest', confirmed: true }],
  })
  expect(confirmed).toMatchObject({ code: 0, ok: true })
})

test('a missing ACL on a topic is named with its operation, and only where it is needed', async () => {
  const result = await check({ include: ['locked'] })
  expect(errorsOf(result)).toMatchObject([
    { step: 'permissions on topics', where: 'topic locked', what: expect.stringContaining('Write') },
  ])
})

test('a peer that is not there, or is another one, is an error with its address', async () => {
  const nobody = await check({ include: ['*'] }, { peers: [{ dc: 'eu', addresses: ['127.0.0.1:1'] }] })
  expect(errorsOf(nobody)).toMatchObject([{ where: 'peer eu', what: expect.stringContaining('127.0.0.1:1') }])
  const other = await check({ include: ['*'] }, { peers: [{ dc: 'ap', addresses: [`127.0.0.1:${peer.port}`] }] })
  expect(errorsOf(other)).toMatchObject([{ where: 'peer ap', what: expect.stringMatching(/\beu\b/) }])
})

test('changes nothing', async () => {
  const before = await openTopicAdmin(cluster).listTopics()
  await check({ include: ['*'] })
  const names = (topics: readonly { name: string }[]) => topics.map(topic => topic.name).toSorted()
  expect(names(await openTopicAdmin(cluster).listTopics())).toEqual(names(before))
})

test('missing rights on transactional.ids and groups are found without using any', async () => {
  await onlyOthersMay(ResourceTypes.TRANSACTIONAL_ID, 'isthmus.', AclOperations.WRITE)
  await onlyOthersMay(ResourceTypes.GROUP, 'isthmus.', AclOperations.READ)
  const result = await check({ include: ['orders'] })
  expect(errorsOf(result).map(({ where }) => where)).toEqual(['transactional.id isthmus.*', 'group isthmus.*'])
})
