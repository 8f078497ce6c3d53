import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout, or the installed package: the nearest directory upwards that holds this product's package.json. */
export const root = findRoot()

export const DEFAULT_KAFKA_VERSION = '4.3.1'
export const defaultDir = join(root, '.isthmus', 'local')

const SET_UP = `run \`node ${join(root, 'scripts', 'setup.mjs')}\` first`

interface Tools {
  readonly java: string
  readonly redisServer: string
}

function findRoot(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const file = join(dir, 'package.json')
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'isthmus') return dir
    if (dir === dirname(dir)) throw new Error('cannot find the package.json of isthmus')
  }
}

/** Java and redis-server as set-up found them. */
export function tools(): Tools {
  const file = join(root, '.isthmus', 'tools.json')
  if (!existsSync(file)) throw new Error(`local clusters need Kafka, Java and Redis; ${SET_UP}`)
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** Class path of one version of Kafka, for `java -cp`. */
export function kafkaClassPath(version: string): string {
  const dir = join(root, '.isthmus', 'kafka', version)
  if (!existsSync(join(dir, '.complete'))) {
    const option = version === DEFAULT_KAFKA_VERSION ? '' : ` with \`--kafka ${version}\``
    throw new Error(`Kafka ${version} is not installed; ${SET_UP}${option}`)
  }
  return join(dir, '*')
}

/** The command line's entry: sources in a checkout, what was built from them in the package. */
export function cliMain(): string {
  const source = join(root, 'src', 'cli', 'main.ts')
  return existsSync(source) ? source : join(root, 'dist', 'src', 'cli', 'main.js')
}
