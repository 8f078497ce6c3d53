import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Reaper } from './reaper.ts'
import type { ProcessKind, ProcessState, ProcessStatus } from './types.ts'

const PROBE_INTERVAL_MS = 100
const STOP_LIMIT_MS = 15_000
const SHOWN_LOG_LINES = 15

/** How one process is run; the same at every start. */
export interface ProcessPlan {
  readonly name: string
  readonly kind: ProcessKind
  readonly dc: string
  readonly command: string
  readonly args: readonly string[]
  /** Appended to over restarts. */
  readonly log: string
  /** One look at whether it can be used. */
  readonly isReady: () => Promise<boolean>
  readonly readyWithinMs: number
}

/** One child process with its state. Ends with its owner through the reaper. */
export class LocalProcess {
  readonly plan: ProcessPlan
  private readonly reaper: Reaper
  private readonly onChange: () => void
  private state: ProcessState = 'down'
  private child: ChildProcess | undefined
  private gone: Promise<void> = Promise.resolve()
  private ended: string | undefined
  /** Set while somebody asked for the end, so that it is no surprise. */
  private endWanted = false

  constructor(plan: ProcessPlan, reaper: Reaper, onChange: () => void) {
    this.plan = plan
    this.reaper = reaper
    this.onChange = onChange
  }

  get pid(): number | null {
    return this.child?.pid ?? null
  }

  status(): ProcessStatus {
    const { name, kind, dc, log } = this.plan
    return { name, kind, dc, state: this.state, pid: this.pid, log, ...(this.ended && { ended: this.ended }) }
  }

  /** Resolves when it is ready; rejects with the end of its log when it ends before or takes too long. */
  async start(): Promise<void> {
    if (this.child !== undefined) throw new Error(`${this.plan.name} is running already`)
    this.spawn()
    const { name, isReady, readyWithinMs } = this.plan
    const deadlineMs = performance.now() + readyWithinMs
    while (!(await isReady())) {
      if (this.child === undefined)
        throw new Error(`${name} ended with ${this.ended} while starting.\n${this.logTail()}`)
      if (performance.now() > deadlineMs) {
        await this.kill()
        throw new Error(`${name} was not ready within ${readyWithinMs / 1000} s.\n${this.logTail()}`)
      }
      await sleep(PROBE_INTERVAL_MS)
    }
    if (this.child !== undefined) this.become('running')
  }

  /** SIGTERM, and SIGKILL when that is not enough. */
  async stop(limitMs = STOP_LIMIT_MS): Promise<void> {
    this.endWanted = true
    this.child?.kill('SIGTERM')
    this.child?.kill('SIGCONT')
    const timer = setTimeout(() => this.child?.kill('SIGKILL'), limitMs)
    await this.gone
    clearTimeout(timer)
    this.become('down')
  }

  async kill(): Promise<void> {
    this.endWanted = true
    this.child?.kill('SIGKILL')
    await this.gone
    this.become('down')
  }

  pause(): void {
    if (this.child === undefined) throw new Error(`${this.plan.name} is not running`)
    this.child.kill('SIGSTOP')
    this.become('paused')
  }

  resume(): void {
    if (this.child === undefined) throw new Error(`${this.plan.name} is not running`)
    this.child.kill('SIGCONT')
    this.become('running')
  }

  private spawn(): void {
    this.endWanted = false
    this.ended = undefined
    const log = openSync(this.plan.log, 'a')
    // A process group of its own: Ctrl-C reaches the owner alone, which then ends its children in order.
    const child = spawn(this.plan.command, this.plan.args, { detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    const pid = child.pid
    if (pid !== undefined) this.reaper.watch(pid)
    this.child = child
    this.gone = new Promise(resolve => {
      const onEnd = (how: string) => {
        if (pid !== undefined) this.reaper.forget(pid)
        this.child = undefined
        this.ended = how
        this.become(this.endWanted ? 'down' : 'exited')
        resolve()
      }
      child.once('error', error => onEnd(error.message))
      child.once('exit', (code, signal) => onEnd(signal ?? `code ${code}`))
    })
    this.become('starting')
  }

  private become(state: ProcessState): void {
    if (this.state === state) return
    this.state = state
    this.onChange()
  }

  private logTail(): string {
    const lines = readFileSync(this.plan.log, 'utf8').trimEnd().split('\n')
    return `${lines.slice(-SHOWN_LOG_LINES).join('\n')}\n(log: ${this.plan.log})`
  }
}
