#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findNode, gatewayNodeFlags, goOnWith, NODE_MISSING } from './node26.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// A checkout runs its sources; the published package holds what was built from them.
const source = join(root, 'src', 'cli', 'main.ts')
const main = existsSync(source) ? source : join(root, 'dist', 'src', 'cli', 'main.js')
const node = findNode()
const flags = process.argv[2] === 'gateway' ? gatewayNodeFlags : []
const flagged = flags.every(flag => process.execArgv.includes(flag))

if (node === undefined) {
  console.error(NODE_MISSING)
  process.exit(1)
} else if (node === process.execPath && !flagged && process.execve !== undefined) {
  // The same process goes on: V8 takes these only at its start.
  process.execve(node, [node, ...process.execArgv, ...flags, ...process.argv.slice(1)])
} else if (node === process.execPath) {
  process.argv[1] = main
  await import(pathToFileURL(main).href)
} else {
  goOnWith(node, node, [...flags, main, ...process.argv.slice(2)])
}
