import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { home, root, run } from './shell.mjs'

export const DEFAULT_KAFKA_VERSION = '4.3.1'

const pom = join(root, 'deploy', 'local', 'kafka-pom.xml')

function jarsDir(version) {
  return join(home, 'kafka', version)
}

function stamp() {
  return createHash('sha256').update(readFileSync(pom)).digest('hex')
}

/** Whole and made from the present pom: the stamp is written last, and the directory renamed into place. */
export function jarsArePresent(version) {
  const file = join(jarsDir(version), '.complete')
  return existsSync(file) && readFileSync(file, 'utf8') === stamp()
}

/** Step: Kafka's brokers, tools, Connect and MirrorMaker from Maven; its repository stays inside the checkout. */
export async function installKafka(version) {
  if (jarsArePresent(version)) return `${version} present`
  const target = jarsDir(version)
  const partial = `${target}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  await run('mvn', [
    '-B',
    '-ntp',
    '-f',
    pom,
    `-Dmaven.repo.local=${join(home, 'm2')}`,
    `-Dkafka.version=${version}`,
    'dependency:copy-dependencies',
    `-DoutputDirectory=${partial}`,
    '-DincludeScope=runtime',
  ])
  writeFileSync(join(partial, '.complete'), stamp())
  rmSync(target, { recursive: true, force: true })
  renameSync(partial, target)
  return `${version} installed`
}
