import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { askSupervisor } from '../../deploy/local/control.ts'
import { brokerAnswers } from '../../deploy/local/probe.ts'
import { redisAnswers } from '../../deploy/local/redis-server.ts'
import { ownerPid, startLocal } from '../../deploy/local/start.ts'
import type { LocalInfo } from '../../deploy/local/types.ts'
import { eventually } from '../support/processes.ts'

const DEADLINE_MS = 60_000
const BIN = resolve(import.meta.dirname, '../../bin/isthmus.js')

const base = mkdtempSync(join(tmpdir(), 'isthmus-local-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

function readInfo(dir: string): LocalInfo {
  return JSON.parse(readFileSync(join(dir, 'local.json'), 'utf8'))
}

function pidsOf(info: LocalInfo): number[] {
  return Object.values(info.dcs).flatMap(({ brokers, gateways }) =>
    [...brokers, ...gateways].flatMap(({ pid }) => (pid === null ? [] : [pid])),
  )
}

/** Zombies count as gone: only their parent's asking is missing. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

interface Run {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}

function isthmus(...args: string[]): Promise<Run> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    child.on('close', code => resolve({ stdout, stderr, code }))
  })
}

test('brokers and Redis that were killed stay down until they are started, and come back on their ports', async () => {
  const dir = join(base, 'kill')
  const local = await startLocal({ dir, dcs: ['eu'], gateways: 'none' })
  try {
    const { brokers, redis } = local.info().dcs.eu!
    const { port } = brokers[0]!
    const redisPort = Number(new URL(redis!).port)
    expect(await brokerAnswers(port, 1)).toBe(true)
    expect(await redisAnswers(redisPort)).toBe(true)
    await Promise.all([local.kill('kafka-eu-1'), local.kill('redis-eu')])
    expect(await brokerAnswers(port, 1)).toBe(false)
    expect(await redisAnswers(redisPort)).toBe(false)
    expect(readInfo(dir).dcs.eu!.brokers[0]!.pid).toBeNull()
    expect(local.status().processes.map(({ state }) => state)).toEqual(['down', 'down'])
    await Promise.all([local.start('kafka-eu-1'), local.start('redis-eu')])
    expect(await brokerAnswers(port, 1)).toBe(true)
    expect(await redisAnswers(redisPort)).toBe(true)
    expect(readInfo(dir).dcs.eu!.brokers[0]!.pid).toBe(local.info().dcs.eu!.brokers[0]!.pid)
  } finally {
    await local.down()
  }
})

test.each([
  ['a setting that no broker takes', { 'log.retention.ms': 'soon' }, 'kafka-eu-1'],
  ['a class that is not there', { 'authorizer.class.name': 'not.There' }, 'kafka-eu-1'],
])('with %s start names the process and leaves nothing behind', async (_, brokerConfig, name) => {
  const dir = join(base, 'broken')
  await expect(startLocal({ dir, dcs: ['eu'], gateways: 'none', brokerConfig })).rejects.toThrow(name)
  expect(ownerPid(dir)).toBeUndefined()
  expect(existsSync(join(dir, 'local.json'))).toBe(false)
})

test('two run side by side, nothing outlives down, and nothing outlives a supervisor that is killed', async () => {
  const [first, second] = [join(base, 'first'), join(base, 'second')]
  const up = (dir: string) => isthmus('local', 'up', '--dcs', 'eu', '--no-gateways', '--detach', '--json', '--dir', dir)
  const runs = await Promise.all([up(first), up(second)])
  expect(runs.map(({ code }) => code)).toEqual([0, 0])
  const infos = runs.map(({ stdout }): LocalInfo => JSON.parse(stdout))
  expect(infos).toEqual([readInfo(first), readInfo(second)])
  expect(infos[0]!.dcs.eu!.kafka).not.toBe(infos[1]!.dcs.eu!.kafka)

  const again = await up(first)
  expect(again).toMatchObject({ code: 1, stdout: '' })
  expect(again.stderr).toContain('is in use by process')

  process.kill(ownerPid(first)!, 'SIGKILL')
  await eventually('children of the killed supervisor are gone', DEADLINE_MS, () => !pidsOf(infos[0]!).some(isAlive))
  await expect(askSupervisor(first, { do: 'status' })).rejects.toThrow('nothing runs in')
  expect((await isthmus('local', 'down', '--dir', first)).stdout).toContain('nothing was running')

  const status = await isthmus('local', 'status', '--json', '--dir', second)
  expect(JSON.parse(status.stdout).processes.map(({ name }: { name: string }) => name)).toEqual([
    'kafka-eu-1',
    'redis-eu',
    'eu-1',
  ])
  expect(pidsOf(infos[1]!).every(isAlive)).toBe(true)
  expect((await isthmus('local', 'down', '--dir', second)).code).toBe(0)
  expect(pidsOf(infos[1]!).some(isAlive)).toBe(false)
  expect(existsSync(join(second, 'local.json'))).toBe(false)
})

test('Ctrl-C ends everything', async () => {
  const dir = join(base, 'signal')
  const args = [BIN, 'local', 'up', '--dcs', 'eu', '--no-gateways', '--no-redis', '--json', '--dir', dir]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise(resolve => child.on('close', resolve))
  const info = await new Promise<LocalInfo>(resolve => child.stdout.once('data', text => resolve(JSON.parse(text))))
  expect(pidsOf(info).every(isAlive)).toBe(true)
  child.kill('SIGINT')
  expect(await ended).toBe(0)
  expect(pidsOf(info).some(isAlive)).toBe(false)
})
