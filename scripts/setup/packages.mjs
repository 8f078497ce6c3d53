import { join } from 'node:path'
import { jarsArePresent } from './kafka.mjs'
import { lacksLibatomic } from './node.mjs'
import { output, run, which } from './shell.mjs'

export const requiredJavaMajor = 17

/** Path of a Java 17+ runtime: JAVA_HOME first, then PATH; undefined when neither is. */
export async function findJava() {
  const home = process.env.JAVA_HOME
  for (const java of [home ? join(home, 'bin', 'java') : undefined, which('java')]) {
    const text = java === undefined ? undefined : await output(java, ['-XX:TieredStopAtLevel=1', '-version'])
    const major = Number(/version "(?:1\.)?(\d+)/.exec(text ?? '')?.[1] ?? 0)
    if (major >= requiredJavaMajor) return java
  }
  return undefined
}

/**
 * What only the system's package manager can bring, with how to get it there. `apt` are names to choose the first
 * available of.
 */
export async function missingPackages({ purpose, kafkaVersions }) {
  const missing = []
  const need = (what, apt, brew, elsewhere) => missing.push({ what, apt, brew, elsewhere })
  if (lacksLibatomic()) need('libatomic (for Node 26)', ['libatomic1'], undefined, 'package libatomic')
  if (purpose === 'check') return missing
  if ((await findJava()) === undefined) {
    const names = [
      'openjdk-21-jre-headless',
      'openjdk-17-jre-headless',
      'openjdk-25-jre-headless',
      'default-jre-headless',
    ]
    need(`Java ${requiredJavaMajor} or later`, names, 'openjdk', 'https://adoptium.net')
  }
  if (kafkaVersions.some(version => !jarsArePresent(version)) && which('mvn') === undefined)
    need("Maven (for Kafka's jars)", ['maven'], 'maven', 'https://maven.apache.org/install.html')
  if (which('redis-server') === undefined)
    need('Redis', ['redis-server'], 'redis', 'https://redis.io/docs/latest/operate/oss_and_stack/install/')
  if (purpose === 'test' && which('kcat') === undefined)
    need('kcat (a reader of another make, for the tests)', ['kcat'], 'kcat', 'https://github.com/edenhill/kcat')
  return missing
}

export function mayInstall() {
  return process.platform === 'linux' && process.getuid?.() === 0 && which('apt-get') !== undefined
}

/** One message with everything that is missing and how to get it here. */
export async function howToGet(missing) {
  const lines = missing.map(({ what, brew, elsewhere }) => {
    const hint = process.platform === 'darwin' && brew !== undefined ? `brew install ${brew}` : elsewhere
    return `  - ${what}: ${hint}`
  })
  const command = 'apt-get install -y --no-install-recommends'
  const all =
    which('apt-get') === undefined ? '' : `\nAs root, all at once:\n  ${command} ${(await aptNames(missing)).join(' ')}`
  return `Missing, and set-up may not install system packages here (it needs root and apt-get):\n${lines.join('\n')}${all}\nThen run the same command again.`
}

/** Step: the missing packages, from apt. */
export async function installPackages(missing) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-q'], env)
  const names = await aptNames(missing)
  await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...names], env)
  return `installed ${names.join(', ')}`
}

/** The first available of each package's names; the last, which every release has, where apt knows none of them. */
async function aptNames(missing) {
  const chosen = []
  for (const { apt } of missing) {
    const known = []
    for (const name of apt)
      if (/Candidate: (?!\(none\))/.test((await output('apt-cache', ['policy', name])) ?? '')) known.push(name)
    chosen.push(known[0] ?? apt.at(-1))
  }
  return chosen
}
