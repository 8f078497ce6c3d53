import { execFileSync } from 'node:child_process'
import { createHash, pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { alterUserScramCredentialsV0 } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tools } from '../../deploy/local/paths.ts'
import { call } from '../../src/kafka/call.ts'
import { type ClusterConfig, GroupMembership, KafkaCluster, openTopicAdmin } from '../../src/kafka/index.ts'
import { startTestCluster, type TestCluster } from '../support/kafka-process.ts'
import { eventually } from '../support/processes.ts'

const PASSWORD = 'store-secret'
const SESSION_MS = 3_000
const dir = mkdtempSync(join(tmpdir(), 'isthmus-tls-'))
const keystore = join(dir, 'broker.p12')
let ca: string
let kafka: TestCluster
let saslPort: number
let tlsPort: number
let saslTlsPort: number

/** A certificate for localhost that is its own authority, by the keytool that comes with Java. */
function makeCertificate(): string {
  const keytool = (...args: string[]) =>
    execFileSync(join(tools().java, '..', 'keytool'), [...args, '-keystore', keystore, '-storepass', PASSWORD], {
      stdio: 'pipe',
    })
  const names = ['-dname', 'CN=localhost', '-ext', 'san=dns:localhost,ip:127.0.0.1', '-ext', 'bc:c']
  keytool('-genkeypair', '-alias', 'broker', '-keyalg', 'RSA', '-validity', '2', '-storetype', 'PKCS12', ...names)
  const pem = join(dir, 'ca.pem')
  keytool('-exportcert', '-rfc', '-alias', 'broker', '-file', pem)
  return readFileSync(pem, 'utf8')
}

beforeAll(async () => {
  ca = makeCertificate()
  kafka = await startTestCluster({
    sparePorts: 3,
    config: ({ client, controller, spare: [sasl, tls, saslTls] }) => {
      saslPort = sasl!
      tlsPort = tls!
      saslTlsPort = saslTls!
      const open = [
        `PLAINTEXT://127.0.0.1:${client}`,
        `SASL://127.0.0.1:${sasl}`,
        `TLS://127.0.0.1:${tls}`,
        `SASLTLS://127.0.0.1:${saslTls}`,
      ]
      const plain =
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="x" password="x" user_alice="alice-secret";'
      const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
      const mechanisms = ['sasl', 'sasltls'].flatMap(listener => [
        [`listener.name.${listener}.sasl.enabled.mechanisms`, 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'],
        [`listener.name.${listener}.plain.sasl.jaas.config`, plain],
        [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`, scram],
        [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`, scram],
      ])
      return {
        listeners: [...open, `CONTROLLER://127.0.0.1:${controller}`].join(','),
        'advertised.listeners': open.join(','),
        'listener.security.protocol.map':
          'PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
        'ssl.keystore.location': keystore,
        'ssl.keystore.password': PASSWORD,
        'ssl.keystore.type': 'PKCS12',
        'listener.name.sasl.plain.connections.max.reauth.ms': String(SESSION_MS),
        ...Object.fromEntries(mechanisms),
      }
    },
  })
  await addScramUser('bob', 'bob-secret')
})

afterAll(async () => {
  await kafka?.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function addScramUser(name: string, password: string): Promise<void> {
  const cluster = await KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'admin' })
  const iterations = 8_192
  // A request may name a user once.
  for (const [mechanism, digest, bytes] of [
    [1, 'sha256', 32],
    [2, 'sha512', 64],
  ] as const) {
    const salt = randomBytes(16)
    const saltedPassword = pbkdf2Sync(password, salt, iterations, bytes, digest)
    const upsertion = { name, mechanism, iterations, salt, saltedPassword }
    const answer = await call(await cluster.controllerConnection(), alterUserScramCredentialsV0.api, [], [upsertion])
    expect(answer.results.map(result => result.errorCode)).toEqual([0])
  }
  await cluster.close()
}

async function useCluster(config: Omit<ClusterConfig, 'clientId'>): Promise<void> {
  const cluster = await KafkaCluster.connect({ ...config, clientId: 'test' })
  const name = `t-${createHash('sha1').update(JSON.stringify(config)).digest('hex').slice(0, 8)}`
  await openTopicAdmin(cluster).createTopic({ name, partitions: 1, configs: {} })
  await eventually('the topic is listed', 10_000, async () =>
    (await cluster.listTopics()).some(topic => topic.name === name),
  )
  await cluster.close()
}

const alice = { mechanism: 'PLAIN', username: 'alice', password: 'alice-secret' } as const
const bob256 = { mechanism: 'SCRAM-SHA-256', username: 'bob', password: 'bob-secret' } as const
const bob512 = { ...bob256, mechanism: 'SCRAM-SHA-512' } as const

test.each([alice, bob256, bob512])('SASL $mechanism', async sasl => {
  await eventually('credentials are known to the broker', 10_000, async () => {
    await useCluster({ brokers: [`127.0.0.1:${saslPort}`], sasl })
    return true
  })
})

test('TLS, with and without SASL, by address and by name', async () => {
  await useCluster({ brokers: [`127.0.0.1:${tlsPort}`], tls: { ca } })
  await useCluster({ brokers: [`127.0.0.1:${saslTlsPort}`], tls: { ca, servername: 'localhost' }, sasl: bob512 })
})

test('group membership uses the same credentials', async () => {
  const cluster = await KafkaCluster.connect({
    brokers: [`127.0.0.1:${saslTlsPort}`],
    clientId: 'g',
    tls: { ca },
    sasl: bob256,
  })
  await openTopicAdmin(cluster).createTopic({ name: 'lanes', partitions: 2, configs: {} })
  const membership = new GroupMembership(cluster, {
    groupId: 'secured',
    topic: 'lanes',
    node: 'a',
    sessionTimeoutMs: 6_000,
    rebalanceTimeoutMs: 6_000,
    log: () => {},
  })
  let lanes = 0
  membership.onAssigned(assigned => {
    lanes = assigned.size
  })
  await membership.start()
  await eventually('both lanes', 30_000, () => lanes === 2)
  await membership.stop()
  await cluster.close()
}, 60_000)

test('a session that ends is left in time: requests go on beyond it', async () => {
  const cluster = await KafkaCluster.connect({ brokers: [`127.0.0.1:${saslPort}`], clientId: 'long', sasl: alice })
  const first = await cluster.anyConnection()
  const untilMs = performance.now() + 2 * SESSION_MS
  let asked = 0
  await eventually('two sessions', 4 * SESSION_MS, async () => {
    await cluster.listTopics()
    asked++
    return performance.now() > untilMs
  })
  expect(asked).toBeGreaterThan(10)
  expect(first.usable).toBe(false)
  expect(first.closedBy?.message).toContain('retired')
  await cluster.close()
}, 30_000)

test('wrong credentials, a mechanism that is not offered and a listener of another kind are each said at once', async () => {
  const brokers = [`127.0.0.1:${saslPort}`]
  for (const sasl of [
    { ...alice, password: 'wrong' },
    { ...bob256, password: 'wrong' },
    { ...bob512, username: 'nobody' },
  ]) {
    await expect(KafkaCluster.connect({ brokers, clientId: 'bad', sasl })).rejects.toMatchObject({
      code: 'ACL_MISSING',
    })
  }
  const plainListener = KafkaCluster.connect({ brokers: kafka.brokers, clientId: 'bad', sasl: alice })
  await expect(plainListener).rejects.toMatchObject({ name: 'GatewayError', code: 'ACL_MISSING' })
})

test('plain text to a TLS listener, TLS to a plain one and an unknown authority are unreachable, with the reason', async () => {
  const tlsBrokers = [`127.0.0.1:${tlsPort}`]
  const attempts = [
    { brokers: tlsBrokers },
    { brokers: kafka.brokers, tls: { ca } },
    { brokers: tlsBrokers, tls: {} },
    { brokers: [`127.0.0.1:${saslPort}`] },
  ]
  const errors = await Promise.all(
    attempts.map(config => KafkaCluster.connect({ ...config, clientId: 'bad' }).catch(error => error)),
  )
  for (const error of errors) expect(error).toMatchObject({ name: 'GatewayError', code: 'CLUSTER_UNREACHABLE' })
  expect(errors[0].message).toContain('TLS listener')
  expect(errors[2].message).toContain('self-signed')
}, 60_000)
