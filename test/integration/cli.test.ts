import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AdminServer, adminServer } from '../../src/admin/server.ts'
import { createEventLog } from '../../src/telemetry/events.ts'
import { type FakeGateway, fakeGateway, linkView, topicView } from '../support/admin-fakes.ts'

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function isthmus(...args: string[]): Promise<Ended> {
  return new Promise(done => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 20_000 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

let gateway: FakeGateway
let server: AdminServer
let admin: string
let nobody: string
let directory: string

beforeAll(async () => {
  gateway = fakeGateway([linkView('eu', { topics: [topicView('orders'), topicView('clicks')] })])
  const events = createEventLog(() => 1_800_000_000_000)
  events.record('gap', 'lost', { link: 'eu->us', topic: 'orders', partition: 0, fromOffset: 1, toOffset: 2 })
  server = adminServer({
    listen: { host: '127.0.0.1', port: 0 },
    source: gateway,
    operator: gateway,
    events,
    eventLevel: () => 'warn',
  })
  await server.start()
  admin = `127.0.0.1:${server.port()}`
  nobody = `127.0.0.1:${await freePort()}`
  directory = mkdtempSync(join(tmpdir(), 'cli-'))
})

afterAll(async () => {
  await server.stop(1000)
  rmSync(directory, { recursive: true })
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise(ready => probe.once('listening', ready))
  const { port } = probe.address() as { port: number }
  await new Promise(closed => probe.close(closed))
  return port
}

describe('--json puts the object alone on stdout', () => {
  test.each([
    [['status'], { nodes: [{ node: 'us-1' }], unreached: [] }],
    [['links'], { links: [{ link: 'eu->us', topics: [{ topic: 'clicks' }, { topic: 'orders' }] }] }],
    [
      ['links', 'eu', '--topic', 'orders', '--partitions'],
      { links: [{ topics: [{ topic: 'orders', partitions: [{}, {}] }] }] },
    ],
    [['events'], { name: 'gap', fromOffset: 1, toOffset: 2 }],
    [['pause', 'eu'], { link: 'eu->us', alreadyPaused: false }],
    [['resume', 'eu->us'], { link: 'eu->us', wasPaused: true }],
    [['log-level', 'debug'], { nodes: [{ previousLevel: 'info' }] }],
  ])('%j', async (args, expected) => {
    const { code, stdout, stderr } = await isthmus(...args, '--json', '-a', admin)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject(expected)
  })
})

describe('exit codes', () => {
  test('0 with the table on stdout', async () => {
    const { code, stdout } = await isthmus('links', '-a', admin)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^eu->us {2}running {2}direct/)
  })

  test('1 when the gateway refuses', async () => {
    const { code, stderr, stdout } = await isthmus('pause', 'mars', '-a', admin)
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: us has no link "mars"; it has eu->us\n',
    })
  })

  test('1 when a node is not ready', async () => {
    const { state } = gateway
    gateway.state = { ...state, checks: [{ name: 'kafka', ok: false, why: 'no broker' }] }
    const { code, stdout } = await isthmus('status', '-a', admin)
    gateway.state = state
    expect(code).toBe(1)
    expect(stdout).toContain('not ready   kafka: no broker')
  })

  test.each([
    [['statsu']],
    [['status', '--wrong']],
    [['status', '-a', 'nowhere']],
    [['status', '--dir', '/no/such']],
    [['gateway', '--config', '/no/such.yaml']],
    [['check', '--config', '/no/such.yaml']],
    [['log-level', 'loud']],
    [['pause', 'eu-']],
  ])('2 for wrong usage or config: %j', async args => {
    const { code, stderr } = await isthmus(...args)
    expect(code).toBe(2)
    expect(stderr).not.toMatch(/\n {4}at /)
    expect(stderr).not.toBe('')
  })

  test('3 when nobody answers, and when one of several does not', async () => {
    const none = await isthmus('status', '-a', nobody)
    expect(none).toMatchObject({ code: 3, stdout: '' })
    expect(none.stderr).toMatch(/^error: no gateway answers at .*\n {2}hint: .*\n$/)
    const some = await isthmus('status', '--json', '-a', admin, nobody)
    expect(some.code).toBe(3)
    expect(JSON.parse(some.stdout)).toMatchObject({ nodes: [{ node: 'us-1' }], unreached: [{ address: nobody }] })
  })

  test('0 for help, which teaches with examples', async () => {
    for (const command of ['gateway', 'check', 'status', 'links', 'events', 'pause', 'resume', 'log-level']) {
      const { code, stdout } = await isthmus(command, '--help')
      expect(code).toBe(0)
      expect(stdout).toContain('Examples:')
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    }
  })
})

test('--dir asks every node of a local stack, and finds the one a link ends at', async () => {
  const nodes = (node: string, address: string) => ({ gateways: [{ node, admin: address }] })
  const info = { dcs: { us: nodes('us-1', admin), eu: nodes('eu-1', nobody) } }
  writeFileSync(join(directory, 'local.json'), JSON.stringify(info))
  const status = await isthmus('status', '--dir', directory)
  expect(status.code).toBe(3)
  expect(status.stdout).toContain('us-1  ready')
  expect(status.stderr).toBe(`error: eu-1: no gateway answers at ${nobody}\n`)
  expect(await isthmus('pause', 'eu->us', '--dir', directory)).toMatchObject({ code: 0, stdout: 'eu->us is paused\n' })
  expect(await isthmus('pause', 'eu', '--dir', directory)).toMatchObject({ code: 2 })
  expect(await isthmus('pause', 'us->eu', '--dir', directory)).toMatchObject({ code: 3 })
})

describe('check', () => {
  function configFile(text: string): string {
    const file = join(directory, 'isthmus.yaml')
    writeFileSync(file, text)
    return file
  }

  test('reports every mistake of the file at once, as text and as JSON', async () => {
    const file = configFile('dc: US\ntls: yes\ntopics: { include: [] }\nkafka: { brokers: [k] }\n')
    const text = await isthmus('check', '-c', file)
    expect(text).toMatchObject({ code: 2, stdout: '' })
    expect(text.stderr).toContain(`${file} has 3 mistakes`)
    const json = await isthmus('check', '-c', file, '--json')
    expect(json.code).toBe(2)
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      config: { problems: [{ path: 'dc', line: 1 }, {}, {}] },
    })
  })

  test('--offline dials nobody', async () => {
    const file = configFile(`dc: us\ntls: none\ntopics: { include: [] }\nkafka: { brokers: ["${nobody}"] }\n`)
    const { code, stdout } = await isthmus('check', '-c', file, '--offline')
    expect({ code, stdout: stdout.replace(/node \S+,/, 'node N,') }).toEqual({
      code: 0,
      stdout: `${file} is valid: dc us, node N, 0 peers, fetches nothing\n`,
    })
  })
})
