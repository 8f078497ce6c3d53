import { type SupervisorMessage, supervise } from './supervisor.ts'
import type { LocalInfo, LocalOptions } from './types.ts'

/** The detached supervisor's process: options as JSON in its argument, progress to the command that started it. */
const options: LocalOptions = JSON.parse(process.argv[2] ?? '{}')
let isReady = false

function tell(message: SupervisorMessage): void {
  if (process.connected) process.send?.(message)
}

process.on('disconnect', () => {
  // Whoever started this gave up before it was ready.
  if (!isReady) process.kill(process.pid, 'SIGTERM')
})

function onReady(info: LocalInfo): void {
  isReady = true
  tell({ kind: 'ready', info })
}

try {
  await supervise({ ...options, onStep: text => tell({ kind: 'step', text }) }, onReady)
  process.exit(0)
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  console.error(message)
  tell({ kind: 'failed', message })
  process.exitCode = 1
}
