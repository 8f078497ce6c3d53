import type { z } from 'zod'
import { type GatewayConfig, gatewaySchema } from './schema.ts'

/** What stands in for required fields that are wrong, so that the rest can be held against each other. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  dc: 'this-data-center',
  'kafka.brokers': ['127.0.0.1:9092'],
  tls: 'none',
  'topics.include': ['*'],
}

/**
 * The config with its wrong fields left out, so that contradictions among the right ones are reported in the same breath.
 * undefined where too much is wrong to say anything about the rest. Never to be run with.
 */
export function withoutMistakes(value: unknown, issues: readonly z.core.$ZodIssue[]): GatewayConfig | undefined {
  const rest = structuredClone(value)
  for (const issue of issues) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map(key => [...issue.path, key]) : [issue.path]
    for (const path of keys) if (!leaveOut(rest, path)) return undefined
  }
  const parsed = gatewaySchema.safeParse(rest)
  return parsed.success ? (parsed.data as GatewayConfig) : undefined
}

/** A pattern or address in a list: something must stay in its place, or the others would be counted wrong. */
const LIST_STAND_IN = 'stand-in'

/** False where nothing can be left out. */
function leaveOut(value: unknown, path: readonly PropertyKey[]): boolean {
  let around = value
  for (const key of path.slice(0, -1)) {
    if (Array.isArray(around)) around = around[Number(key)]
    else if (isRecord(around)) around = around[String(key)] ??= {}
    else return false
  }
  const last = path.at(-1)
  if (Array.isArray(around)) around[Number(last)] = LIST_STAND_IN
  if (last === undefined || !isRecord(around)) return Array.isArray(around)
  const standIn = STAND_INS[path.map(String).join('.')]
  if (standIn === undefined) delete around[String(last)]
  else around[String(last)] = standIn
  return true
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
