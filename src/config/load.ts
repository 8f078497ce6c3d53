import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { type Environment, expandVariables, processEnvironment } from './environment.ts'
import { withoutMistakes } from './forgive.ts'
import { describeIssue } from './issues.ts'
import { type ConfigPath, type ConfigProblem, configInvalid, dotted } from './problems.ts'
import { contradictions } from './relations.ts'
import { type GatewayConfig, gatewaySchema } from './schema.ts'

export type ConfigReading =
  | { readonly ok: true; readonly config: GatewayConfig }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** Reads and validates a config file. Throws GatewayError CONFIG_INVALID whose message names every mistake. */
export function loadConfig(file: string, environment: Environment = processEnvironment): GatewayConfig {
  const reading = readConfig(file, environment)
  if (!reading.ok) throw configInvalid(file, reading.problems)
  return reading.config
}

/** Like `loadConfig`, with the mistakes as a value; a file that cannot be read is one of them. */
export function readConfig(file: string, environment: Environment = processEnvironment): ConfigReading {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const what = code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`
    return { ok: false, problems: [{ path: '', message: what }] }
  }
  return parseConfig(text, { environment, directory: dirname(resolve(file)) })
}

export interface ParseOptions {
  readonly environment?: Environment
  /** What file names in the config are relative to. */
  readonly directory?: string
}

/** Validates the text of a config file: syntax first, then every field, then what the fields say together. */
export function parseConfig(text: string, options: ParseOptions = {}): ConfigReading {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    const problems = document.errors.map(error => {
      const { line, col } = lines.linePos(error.pos[0])
      return { path: '', line, column: col, message: `not valid YAML: ${error.message}` }
    })
    return { ok: false, problems }
  }
  const at = (path: ConfigPath, message: string): ConfigProblem => ({
    path: dotted(path),
    ...place(document, lines, path),
    message,
  })
  const problems: ConfigProblem[] = []
  const value = expandAll(document.toJS() ?? {}, [], options, (path, message) => problems.push(at(path, message)))
  const parsed = gatewaySchema.safeParse(value, { reportInput: true })
  if (!parsed.success) {
    const issues = parsed.error.issues as z.core.$ZodIssue[]
    for (const issue of issues) for (const { path, message } of describeIssue(issue)) problems.push(at(path, message))
    const rest = withoutMistakes(value, issues)
    if (rest) problems.push(...contradictions(rest).map(({ path, message }) => at(path, message)))
  }
  if (problems.length > 0) return { ok: false, problems: inOrder(problems) }
  const config = parsed.data as GatewayConfig
  const found = contradictions(config).map(({ path, message }) => at(path, message))
  return found.length === 0 ? { ok: true, config } : { ok: false, problems: inOrder(found) }
}

/** Line and column of the key or list entry at `path`, or of the nearest thing around it that the file has. */
function place(document: Document, lines: LineCounter, path: ConfigPath): { line?: number; column?: number } {
  for (let depth = path.length; depth > 0; depth--) {
    const last = path[depth - 1]
    const around = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true)
    const pair = isMap(around) ? around.items.find(item => isScalar(item.key) && item.key.value === last) : undefined
    const node = pair?.key ?? document.getIn(path.slice(0, depth), true)
    const start = isNode(node) ? node.range?.[0] : undefined
    if (start === undefined) continue
    const { line, col } = lines.linePos(start)
    return { line, column: col }
  }
  return {}
}

const TLS_FILES = new Set(['kafka.tls.ca', 'kafka.tls.cert', 'kafka.tls.key'])

/** Expands variables in every text, and file names relative to the config file. */
function expandAll(
  value: unknown,
  path: ConfigPath,
  options: ParseOptions,
  report: (path: ConfigPath, message: string) => void,
): unknown {
  if (Array.isArray(value)) return value.map((item, index) => expandAll(item, [...path, index], options, report))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, expandAll(item, [...path, key], options, report)]),
    )
  if (typeof value !== 'string') return value
  const expanded = expandVariables(value, options.environment ?? processEnvironment)
  if (!expanded.ok) {
    report(path, `the environment variable ${expanded.missing} is not set; set it, or write the value here`)
    return value
  }
  const isFile = options.directory !== undefined && TLS_FILES.has(dotted(path))
  return isFile ? resolve(options.directory as string, expanded.text) : expanded.text
}

function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const line = (problem: ConfigProblem) => problem.line ?? Number.MAX_SAFE_INTEGER
  return problems.toSorted((a, b) => line(a) - line(b) || (a.column ?? 0) - (b.column ?? 0))
}
