import { spawn } from 'node:child_process'
import { accessSync, appendFileSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout, or the installed package. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** Everything that set-up makes outside node_modules. Never committed. */
export const home = join(root, '.isthmus')
export const logFile = join(home, 'setup.log')

const SHOWN_LOG_LINES = 20

/** Full path of an executable on PATH, or undefined. */
export function which(name) {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(dir, name)
    try {
      if (dir !== '') accessSync(file, constants.X_OK)
      if (dir !== '') return file
    } catch {}
  }
  return undefined
}

/** Runs a command with its output in `.isthmus/setup.log`; rejects with the last lines of it. */
export function run(command, args, env = {}) {
  mkdirSync(home, { recursive: true })
  appendFileSync(logFile, `\n$ ${command} ${args.join(' ')}\n`)
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let tail = ''
    const onData = chunk => {
      appendFileSync(logFile, chunk)
      tail = (tail + chunk).slice(-8192)
    }
    child.stdout.on('data', onData)
    child.stderr.on('data', onData)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      const lines = tail.trimEnd().split('\n').slice(-SHOWN_LOG_LINES).join('\n')
      reject(
        new Error(
          `\`${command} ${args.join(' ')}\` ended with ${signal ?? code}:\n${lines}\n(whole output: ${logFile})`,
        ),
      )
    })
  })
}

/** What a command prints (both streams), or undefined when it cannot be run or fails. */
export function output(command, args) {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', chunk => {
      text += chunk
    })
    child.stderr.on('data', chunk => {
      text += chunk
    })
    child.on('error', () => resolve(undefined))
    child.on('close', code => resolve(code === 0 ? text : undefined))
  })
}

export function readJson(file) {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
