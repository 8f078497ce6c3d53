import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { defaultDir } from './paths.ts'
import { planLocal } from './plan.ts'
import { LocalProcess } from './process.ts'
import { Reaper } from './reaper.ts'
import type { LocalHandle, LocalInfo, LocalOptions, ProcessKind } from './types.ts'
import type { Wan } from './wan.ts'

export type * from './types.ts'

/** A gateway that was asked to stop at the end of everything gets this long; its peers and brokers end right after. */
const DOWN_GRACE_MS = 5_000

/** File that says who owns a directory: `{"pid": …}`, and how to reach it where it listens for commands. */
export const OWNER_FILE = 'supervisor.json'

/**
 * Starts a Kafka cluster, a Redis and gateway nodes for each data center, on loopback, and resolves when all are ready.
 * Rejects with a message that names the process and the end of its log when one does not come up; nothing is left
 * running then. One owner per directory.
 */
export async function startLocal(options: LocalOptions = {}): Promise<LocalHandle> {
  const dir = resolve(options.dir ?? defaultDir)
  const say = options.onStep ?? (() => {})
  claim(dir)
  const plan = await planLocal(dir, options).catch(error => {
    rmSync(join(dir, OWNER_FILE), { force: true })
    throw error
  })
  const reaper = new Reaper()
  const processes = new Map<string, LocalProcess>()
  const handle = newHandle(dir, plan.describe, processes, plan.wan, reaper)
  for (const each of plan.processes) processes.set(each.name, new LocalProcess(each, reaper, handle.write))
  try {
    const brokers = named(processes, 'kafka')
    say(`starting Kafka (${brokers.length}) and Redis (${named(processes, 'redis').length})`)
    await startAll([...brokers, ...named(processes, 'redis')])
    if (options.gateways === undefined || options.gateways === 'started') {
      say(`starting gateways (${named(processes, 'gateway').length})`)
      await startAll(named(processes, 'gateway'))
    }
  } catch (error) {
    await handle.down()
    throw error
  }
  return handle
}

/** All at once; when one fails the others are waited for, so that ending them finds a settled state. */
async function startAll(processes: readonly LocalProcess[]): Promise<void> {
  const results = await Promise.allSettled(processes.map(each => each.start()))
  const failed = results.find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function named(processes: ReadonlyMap<string, LocalProcess>, kind: ProcessKind): LocalProcess[] {
  return [...processes.values()].filter(each => each.plan.kind === kind)
}

function claim(dir: string): void {
  mkdirSync(dir, { recursive: true })
  const owner = ownerPid(dir)
  if (owner !== undefined) throw new Error(`${dir} is in use by process ${owner}; end it, or take another --dir`)
  writeFileSync(join(dir, OWNER_FILE), `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 })
}

/** The living process that owns the directory, if any. */
export function ownerPid(dir: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(join(dir, OWNER_FILE), 'utf8'))
    process.kill(pid, 0)
    return isZombie(pid) ? undefined : pid
  } catch {
    return undefined
  }
}

/** Dead, but its parent has not asked yet how it ended; some containers' init takes its time. Linux only. */
function isZombie(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  return existsSync(file) && /^\d+ \(.*\) Z/s.test(readFileSync(file, 'utf8'))
}

type PidOf = (name: string) => number | null

function newHandle(
  dir: string,
  describe: (pidOf: PidOf) => LocalInfo,
  processes: ReadonlyMap<string, LocalProcess>,
  wan: Wan,
  reaper: Reaper,
): LocalHandle & { write(): void } {
  let ending: Promise<void> | undefined
  const find = (name: string): LocalProcess => {
    const found = processes.get(name)
    if (found === undefined) throw new Error(`there is no ${name}; there are ${[...processes.keys()].join(', ')}`)
    return found
  }
  const info = () => describe(name => find(name).pid)
  return {
    dir,
    info,
    status: () => ({
      dir,
      supervisorPid: process.pid,
      processes: [...processes.values()].map(each => each.status()),
      wan: wan.state(),
    }),
    kill: name => find(name).kill(),
    stop: name => find(name).stop(),
    start: name => find(name).start(),
    pause: name => find(name).pause(),
    resume: name => find(name).resume(),
    wan: (path, change, options) => wan.change(path, change, options),
    down: () => {
      ending ??= endAll(dir, processes, wan, reaper)
      return ending
    },
    write: () => {
      if (ending === undefined) writeWhole(join(dir, 'local.json'), `${JSON.stringify(info(), undefined, 2)}\n`)
    },
  }
}

/** Readers see the old content or the new one, never a part. */
function writeWhole(file: string, content: string): void {
  writeFileSync(`${file}.new`, content)
  renameSync(`${file}.new`, file)
}

async function endAll(
  dir: string,
  processes: ReadonlyMap<string, LocalProcess>,
  wan: Wan,
  reaper: Reaper,
): Promise<void> {
  await Promise.all(named(processes, 'gateway').map(each => each.stop(DOWN_GRACE_MS)))
  const stores = [...named(processes, 'kafka'), ...named(processes, 'redis')]
  // Their data goes with them, so they need not put it in order first.
  await Promise.all(stores.map(each => each.kill()))
  await wan.close()
  reaper.close()
  for (const { plan } of stores) rmSync(join(dir, plan.name), { recursive: true, force: true })
  for (const file of ['local.json', OWNER_FILE]) rmSync(join(dir, file), { force: true })
}
