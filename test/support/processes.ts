import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Reaper } from '../../deploy/local/reaper.ts'

/** A process that we started: it ends with us, whatever happens. */
export interface OwnedProcess {
  readonly name: string
  readonly pid: number
  /** Where its standard output and error went. */
  readonly logFile: string
  readonly exited: Promise<number | NodeJS.Signals>
  /** SIGTERM, then SIGKILL when it is still there after `graceMs`. Safe to call twice. */
  stop(graceMs?: number): Promise<void>
}

export interface StartOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly logFile: string
  readonly stdin?: string | Buffer
}

const STOP_GRACE_MS = 10_000
/** A test or a bench that throws, is interrupted or killed leaves nothing behind. */
const reaper = new Reaper()

/** Starts a process of ours with its output in `logFile`. */
export function startProcess(options: StartOptions): OwnedProcess {
  mkdirSync(dirname(options.logFile), { recursive: true })
  const log = openSync(options.logFile, 'a')
  const child = spawn(options.command, options.args, {
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', log, log],
    env: options.env ?? process.env,
    cwd: options.cwd,
  })
  closeSync(log)
  const { pid } = child
  if (pid !== undefined) reaper.watch(pid)
  child.stdin?.on('error', () => {}) // it may end before it read everything
  child.stdin?.end(options.stdin)
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (pid !== undefined) reaper.forget(pid)
      resolve(code ?? signal ?? 0)
    })
  })
  exited.catch(() => {})
  if (pid === undefined) throw new Error(`${options.command} cannot be started; is it installed?`)
  return {
    name: options.name,
    pid,
    logFile: options.logFile,
    exited,
    stop: grace => stop(child, exited, grace),
  }
}

async function stop(child: ChildProcess, exited: Promise<unknown>, graceMs = STOP_GRACE_MS): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await exited.catch(() => {})
  clearTimeout(timer)
}

/** Runs a process to its end; throws with the end of its log when its exit code is not 0. Returns its output. */
export async function runProcess(options: StartOptions): Promise<string> {
  const owned = startProcess(options)
  const code = await owned.exited
  const output = readFileSync(options.logFile, 'utf8')
  if (code !== 0) throw new Error(`${options.name} ended with ${code}:\n${output.slice(-2_000)}`)
  return output
}

/** Repeats `attempt` until it answers something other than undefined or false; throws `what` after `deadlineMs`. */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  attempt: () => Promise<T | undefined | false> | T | undefined | false,
  everyMs = 100,
): Promise<T> {
  const endMs = performance.now() + deadlineMs
  let lastError: unknown
  for (;;) {
    try {
      const answer = await attempt()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      lastError = error
    }
    if (performance.now() > endMs) {
      throw new Error(
        `not within ${deadlineMs} ms: ${what}`,
        lastError === undefined ? undefined : { cause: lastError },
      )
    }
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}
