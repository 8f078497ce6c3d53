import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './setup/shell.mjs'

function tool(script, args) {
  return () => {
    const file = join(root, 'node_modules', script)
    return spawnSync(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' }).status === 0
  }
}

/** Each prints what is wrong and returns whether nothing is. */
export const staticChecks = [
  { name: 'types (tsc)', run: tool('typescript/bin/tsc', ['--noEmit']) },
  { name: 'format and lint (biome)', run: tool('@biomejs/biome/bin/biome', ['check', '--error-on-warnings']) },
]
