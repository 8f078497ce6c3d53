import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** The style that a machine can check: layers, circles, homes of libraries, sizes, names, leftovers (docs/ARCHITECTURE.md). */

const SRC = resolve(import.meta.dirname, '../../src')
const MAX_FILE_LINES = 400

const VOCABULARY = ['record', 'route']
const ROOMS = ['egress', 'link', 'ingest', 'topics', 'state']
const ADAPTERS = ['kafka']
/** Who may import a library. `wiring` makes nothing of its own. */
const HOMES: Record<string, readonly string[]> = {
  kafkajs: ['kafka'],
  '@platformatic/kafka': ['kafka'],
  '@grpc/grpc-js': ['link', 'admin', 'cli'],
  '@grpc/proto-loader': ['link', 'admin'],
  '@grpc/reflection': ['admin'],
  'grpc-health-check': ['admin'],
  opossum: ['link'],
  pino: ['telemetry'],
  'prom-client': ['telemetry'],
  yaml: ['config'],
  zod: ['config'],
  commander: ['cli'],
  'lz4-napi': ['record'],
  snappy: ['record'],
  '@node-rs/crc32': ['record'],
}

/** Libraries that the product uses outside of src: the local stack's. */
const OTHER_HOMES: Record<string, string> = { ioredis: 'deploy/local' }

interface Import {
  readonly from: string
  readonly typeOnly: boolean
}

interface SourceFile {
  readonly path: string
  /** First folder under src; '' for the files beside the folders. */
  readonly room: string
  readonly text: string
  readonly imports: readonly Import[]
}

function sourceFiles(): SourceFile[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => {
      const text = readFileSync(join(SRC, name), 'utf8')
      return { path: name, room: dirname(name).split('/')[0]!.replace('.', ''), text, imports: importsOf(text) }
    })
}

function importsOf(text: string): Import[] {
  const found = text.matchAll(
    /^(?:import\s+(?=['"\w{*])|export\s+(?=type\s*[{*]|[{*]))(type\s+)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm,
  )
  return [...found].map(([, type, from]) => ({ from: from!, typeOnly: type !== undefined }))
}

function textsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.ts'))
    .map(name => readFileSync(join(folder, name), 'utf8'))
}

/** The file of src that an import leads to; undefined for a library. */
function pathOf(file: SourceFile, from: string): string | undefined {
  return from.startsWith('.') ? relative(SRC, resolve(SRC, dirname(file.path), from)) : undefined
}

/** The folder of src that an import leads to; undefined for a library, '' for a file beside the folders. */
function roomOf(file: SourceFile, from: string): string | undefined {
  if (!from.startsWith('.')) return undefined
  const target = relative(SRC, resolve(SRC, dirname(file.path), from))
  return target.includes('/') ? target.split('/')[0] : ''
}

const files = sourceFiles()

function offences(check: (file: SourceFile, one: Import, room: string | undefined) => string | undefined): string[] {
  return files.flatMap(file =>
    file.imports.flatMap(one => {
      const why = check(file, one, roomOf(file, one.from))
      return why ? [`${file.path} imports ${one.from}: ${why}`] : []
    }),
  )
}

test('there is something to check', () => {
  expect(files.length).toBeGreaterThan(50)
})

test('vocabulary imports only vocabulary', () => {
  const wrong = offences((file, _one, room) => {
    if (!VOCABULARY.includes(file.room) || room === undefined || room === '' || VOCABULARY.includes(room)) return
    return 'vocabulary is pure'
  })
  expect(wrong).toEqual([])
})

test('rooms do not import one another; they may name the types of adapters and of the ports they satisfy', () => {
  const wrong = offences((file, one, room) => {
    if (!ROOMS.includes(file.room) || room === undefined || room === '' || room === file.room) return
    if (VOCABULARY.includes(room)) return
    if (one.typeOnly && (ADAPTERS.includes(room) || one.from.endsWith('/ports.ts'))) return
    if (ADAPTERS.includes(room) && one.from.endsWith('/failure.ts')) return
    return 'rooms meet in wiring only'
  })
  expect(wrong).toEqual([])
})

test('each library has one home', () => {
  const wrong = offences((file, one, room) => {
    if (room !== undefined || one.typeOnly) return
    const homes = HOMES[one.from]
    if (homes && !homes.includes(file.room)) return `only ${homes.join(', ')} may`
  })
  expect(wrong).toEqual([])
})

test('each dependency has a home, which uses it', () => {
  const { dependencies } = JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8'))
  const homeless = Object.keys(dependencies).filter(name => {
    const other = OTHER_HOMES[name]
    const texts = other === undefined ? files.map(file => file.text) : textsIn(join(SRC, '..', other))
    const named = texts.some(text => text.includes(`from '${name}'`))
    return !named || (HOMES[name] === undefined && other === undefined)
  })
  expect(homeless).toEqual([])
})

test('files do not import one another in a circle, nor for types', () => {
  const ways = new Map(files.map(file => [file.path, file.imports.flatMap(one => pathOf(file, one.from) ?? [])]))
  const clear = new Set<string>()
  const circleFrom = (path: string, above: readonly string[]): string | undefined => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path].join(' -> ')
    if (clear.has(path)) return undefined
    for (const next of ways.get(path) ?? []) {
      const circle = circleFrom(next, [...above, path])
      if (circle !== undefined) return circle
    }
    clear.add(path)
    return undefined
  }
  expect(files.flatMap(file => circleFrom(file.path, []) ?? [])).toEqual([])
})

test('the environment is read in config only', () => {
  const wrong = files.filter(file => file.room !== 'config' && /process\.env\b/.test(file.text))
  expect(wrong.map(file => file.path)).toEqual([])
})

test('files are short enough to read at one sitting', () => {
  const long = files
    .map(file => ({ path: file.path, lines: file.text.split('\n').length }))
    .filter(({ lines }) => lines > MAX_FILE_LINES)
  expect(long).toEqual([])
})

test('no empty names and no leftovers', () => {
  const wrong = files.flatMap(file => {
    const found =
      file.text.match(/\b(?:class|interface|type|function)\s+\w*(?:Manager|Helper|Util|Impl|Factory)\b/g) ?? []
    const left = file.text.match(/\b(?:TODO|FIXME|XXX)\b|debugger;|@ts-ignore/g) ?? []
    return [...found, ...left].map(what => `${file.path}: ${what}`)
  })
  expect(wrong).toEqual([])
})
