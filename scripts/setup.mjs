// Installs what the product's commands need: `node scripts/setup.mjs [check|demo|test] [--kafka VERSION]`.
// Plain JavaScript for Node 18 and later; does nothing where nothing is missing.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_KAFKA_VERSION, installKafka } from './setup/kafka.mjs'
import { installDependencies, installNode } from './setup/node.mjs'
import { findJava, howToGet, installPackages, mayInstall, missingPackages } from './setup/packages.mjs'
import { home, which } from './setup/shell.mjs'

const OLDEST_NODE_MAJOR = 18
const LOCK_POLL_MS = 500
const PURPOSES = ['check', 'demo', 'test']

async function step(name, work) {
  const startedMs = Date.now()
  process.stderr.write(`  ${name.padEnd(16)} `)
  try {
    const result = await work()
    process.stderr.write(`${result} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)\n`)
  } catch (error) {
    process.stderr.write('failed\n')
    throw error
  }
}

/** One set-up at a time: a second one waits for the first, and takes over a lock whose owner is gone. */
async function takeLock() {
  const file = join(home, 'setup.pid')
  mkdirSync(home, { recursive: true })
  for (let said = false; ; said = true) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      process.on('exit', () => rmSync(file, { force: true }))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!ownerLives(file)) rmSync(file, { force: true })
    else {
      if (!said) console.error('another set-up is running in this checkout; waiting for it')
      await new Promise(resolve => setTimeout(resolve, LOCK_POLL_MS))
    }
  }
}

function ownerLives(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0)
    return true
  } catch {
    return false
  }
}

function parseArguments(args) {
  const kafkaAt = args.indexOf('--kafka')
  const kafka = kafkaAt === -1 ? undefined : args[kafkaAt + 1]
  const rest = kafkaAt === -1 ? args : args.filter((_, index) => index !== kafkaAt && index !== kafkaAt + 1)
  const purpose = rest[0] ?? 'test'
  if (rest.length > 1 || !PURPOSES.includes(purpose) || (kafkaAt !== -1 && !/^\d+\.\d+\.\d+$/.test(kafka ?? ''))) {
    console.error('usage: node scripts/setup.mjs [check|demo|test] [--kafka VERSION]')
    process.exit(2)
  }
  return { purpose, kafkaVersions: kafka === undefined ? [DEFAULT_KAFKA_VERSION] : [DEFAULT_KAFKA_VERSION, kafka] }
}

async function main() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE_MAJOR)
    throw new Error(`set-up needs Node ${OLDEST_NODE_MAJOR} or later, this is ${process.version}`)
  const { purpose, kafkaVersions } = parseArguments(process.argv.slice(2))
  await takeLock()
  console.error('set-up')
  await step('system packages', async () => {
    const missing = await missingPackages({ purpose, kafkaVersions })
    if (missing.length === 0) return 'present'
    if (!mayInstall()) throw new Error(await howToGet(missing))
    return installPackages(missing)
  })
  await step('node', installNode)
  await step('npm packages', installDependencies)
  if (purpose === 'check') return
  for (const version of new Set(kafkaVersions)) await step('kafka', () => installKafka(version))
  // Where the tools are, for the local clusters: they read this file and not the environment.
  const tools = { java: await findJava(), redisServer: which('redis-server'), kcat: which('kcat') }
  writeFileSync(join(home, 'tools.json'), `${JSON.stringify(tools, undefined, 2)}\n`)
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
