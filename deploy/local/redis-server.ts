import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { tools } from './paths.ts'
import type { ProcessPlan } from './process.ts'

const READY_LIMIT_MS = 30_000
const ANSWER_TIMEOUT_MS = 1_000

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

/** A Redis that has loaded its data answers PING; before that it says LOADING. One attempt, never rejects. */
export async function redisAnswers(port: number): Promise<boolean> {
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: ANSWER_TIMEOUT_MS,
    commandTimeout: ANSWER_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // Why it does not answer is said by the rejection, too.
  redis.on('error', () => {})
  try {
    await redis.connect()
    return (await redis.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}
