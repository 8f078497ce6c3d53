import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { tools } from './paths.ts'
import { redisAnswers } from './probe.ts'
import type { ProcessPlan } from './process.ts'

const READY_LIMIT_MS = 30_000

/** How to run a data center's Redis: append-only file written every second, so that a kill -9 loses nothing written. */
export function prepareRedis(dc: string, dir: string, port: number): ProcessPlan {
  const name = `redis-${dc}`
  const dataDir = join(dir, name)
  mkdirSync(dataDir, { recursive: true })
  const settings = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dataDir]
  const durability = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '', '--daemonize', 'no']
  return {
    name,
    kind: 'redis',
    dc,
    command: tools().redisServer,
    args: [...settings, ...durability],
    log: join(dir, `${name}.log`),
    isReady: () => redisAnswers(port),
    readyWithinMs: READY_LIMIT_MS,
  }
}
