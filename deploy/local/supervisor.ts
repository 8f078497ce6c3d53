import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listenForCommands } from './control.ts'
import { OWNER_FILE, startLocal } from './start.ts'
import type { LocalInfo, LocalOptions } from './types.ts'

const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Starts everything in this process, takes commands, and resolves when all has ended: by `down`, or by a signal.
 * A second signal ends this process at once, and the reaper ends the rest.
 */
export async function supervise(options: LocalOptions, onReady: (info: LocalInfo) => void): Promise<void> {
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  let signals = 0
  const onSignal = () => {
    if (signals++ > 0) process.exit(1)
    end()
  }
  for (const signal of END_SIGNALS) process.on(signal, onSignal)
  const starting = startLocal(options)
  const outcome = await Promise.race([starting, ended])
  if (outcome === undefined) {
    // Told to end while starting: what is up by then goes down with the reaper, as soon as this process exits.
    rmSync(join(options.dir!, OWNER_FILE), { force: true })
    rmSync(join(options.dir!, 'local.json'), { force: true })
    process.exit(1)
  }
  const server = await listenForCommands(outcome, end)
  onReady(outcome.info())
  await ended
  await outcome.down()
  server.close()
  server.closeAllConnections()
}

/** What a detached supervisor tells the command that started it. */
export type SupervisorMessage =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'ready'; readonly info: LocalInfo }
  | { readonly kind: 'failed'; readonly message: string }

/**
 * Starts a supervisor that outlives this process and resolves when everything is ready. If this process ends before
 * that, so does the supervisor. `options` must survive JSON.
 */
export async function superviseDetached(options: LocalOptions & { dir: string }): Promise<LocalInfo> {
  mkdirSync(options.dir, { recursive: true })
  const log = openSync(join(options.dir, 'supervisor.log'), 'w')
  const { onStep, ...plain } = options
  const child = spawn(process.execPath, [supervisorMain(), JSON.stringify(plain)], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  try {
    return await untilReady(child, onStep ?? (() => {}))
  } finally {
    if (child.connected) child.disconnect()
    child.unref()
  }
}

function untilReady(child: ChildProcess, onStep: (text: string) => void): Promise<LocalInfo> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', code => reject(new Error(`the supervisor ended with code ${code}; see supervisor.log`)))
    child.on('message', (message: SupervisorMessage) => {
      if (message.kind === 'step') onStep(message.text)
      else if (message.kind === 'ready') resolve(message.info)
      else reject(new Error(message.message))
    })
  })
}

function supervisorMain(): string {
  const source = fileURLToPath(new URL('supervisor-main.ts', import.meta.url))
  return existsSync(source) ? source : source.replace(/\.ts$/, '.js')
}
