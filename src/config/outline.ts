import { z } from 'zod'
import { gatewaySchema } from './schema.ts'

/** What the schema says about one key, in the words of the file: the source of docs/config.md and of suggestions. */
export interface Outline {
  readonly description?: string
  /** What may be written: `duration`, `pattern`, `list of …`, `one of …`. */
  readonly kind: string
  readonly required: boolean
  /** The default as it would be written. */
  readonly defaultText?: string
  readonly example?: string
  readonly secret: boolean
  /** Set for mappings, and for lists of mappings (`list`). */
  readonly keys?: ReadonlyMap<string, Outline>
  readonly list: boolean
}

type JsonSchema = Record<string, unknown> & {
  properties?: Record<string, JsonSchema>
  required?: string[] | true
  items?: JsonSchema
  enum?: unknown[]
  type?: string
}

let outline: Outline | undefined

/** The whole schema as an outline; computed once. */
export function configOutline(): Outline {
  outline ??= outlineOf(z.toJSONSchema(gatewaySchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, true)
  return outline
}

/** The keys that may stand at a path of the file, empty where none may. */
export function knownKeys(path: readonly (string | number)[]): string[] {
  let here: Outline | undefined = configOutline()
  for (const part of path) if (typeof part === 'string') here = here?.keys?.get(part)
  return [...(here?.keys?.keys() ?? [])]
}

/** What the schema says about the key at a path; undefined where it knows none. */
export function outlineAt(path: readonly (string | number)[]): Outline | undefined {
  let here: Outline | undefined = configOutline()
  for (const part of path) if (typeof part === 'string') here = here?.keys?.get(part)
  return here
}

function outlineOf(schema: JsonSchema, required: boolean): Outline {
  const mapping = schema.properties ? schema : schema.items?.properties ? schema.items : undefined
  const keys = mapping && keysOf(mapping)
  const hasDefault = 'default' in schema && !isEmptyMapping(schema.default)
  return {
    description: schema.description as string | undefined,
    kind: kindOf(schema),
    required: (required || schema.required === true) && !hasDefault,
    defaultText: (schema.defaultText as string | undefined) ?? (hasDefault ? written(schema.default) : undefined),
    example: schema.example as string | undefined,
    secret: schema.secret === true,
    keys,
    list: schema.type === 'array',
  }
}

function keysOf(mapping: JsonSchema): ReadonlyMap<string, Outline> {
  const required = new Set(Array.isArray(mapping.required) ? mapping.required : [])
  return new Map(
    Object.entries(mapping.properties ?? {}).map(([key, schema]) => [key, outlineOf(schema, required.has(key))]),
  )
}

function kindOf(schema: JsonSchema): string {
  if (schema.type === 'array')
    return `list of ${plural(schema.items?.properties ? 'mapping' : kindOf(schema.items ?? {}))}`
  if (typeof schema.kind === 'string') return schema.kind
  if (schema.enum) return schema.enum.map(word => `\`${word}\``).join(', ')
  if (schema.properties) return 'mapping'
  return schema.type === 'string' ? 'text' : schema.type === 'boolean' ? '`true`, `false`' : (schema.type ?? 'text')
}

function plural(noun: string): string {
  return noun === 'host:port' ? noun : `${noun}s`
}

function isEmptyMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
}

function written(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
