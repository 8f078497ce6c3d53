#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findNode, goOnWith, NODE_MISSING } from './node26.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// A checkout runs its sources; the published package holds what was built from them.
const source = join(root, 'src', 'cli', 'main.ts')
const main = existsSync(source) ? source : join(root, 'dist', 'src', 'cli', 'main.js')
const node = findNode()

if (node === undefined) {
  console.error(NODE_MISSING)
  process.exit(1)
} else if (node === process.execPath) {
  process.argv[1] = main
  await import(pathToFileURL(main).href)
} else {
  goOnWith(node, node, [main, ...process.argv.slice(2)])
}
