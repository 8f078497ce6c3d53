// Makes dist/ for the package: sources as JavaScript, in the same folders, with the protocol files beside them, since
// Node runs no TypeScript from node_modules.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup/shell.mjs'

const dist = join(root, 'dist')
rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
cpSync(join(root, 'proto'), join(dist, 'proto'), { recursive: true })
