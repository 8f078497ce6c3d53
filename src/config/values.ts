import { z } from 'zod'
import { parseStart, type StartPolicy, startProblem } from '../route/start-policy.ts'

/**
 * The kinds of scalar that the config file knows beside text and numbers: durations, sizes, addresses, and the names
 * and patterns of `route/`. Each says what is wrong and what to write instead.
 */

const MS_PER_UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES_PER_UNIT: Record<string, number> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** A scalar that was understood, or what is wrong with it and what to write. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string }

const good = <T>(value: T): Parsed<T> => ({ ok: true, value })
const bad = (problem: string): Parsed<never> => ({ ok: false, problem })
/** How a value is shown in a message: as the user wrote it, never longer than a line. */
const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? String(value)

/** `250ms`, `30s`, `5m`, `6h`, `7d`, or a number of milliseconds. Whole milliseconds. */
export function parseDurationMs(value: unknown): Parsed<number> {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return good(value)
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(value.trim()) : null
  if (!match) return bad(`${shown(value)} is not a duration; write a number with ms, s, m, h or d, for example 30s`)
  return good(Math.round(Number(match[1]) * (MS_PER_UNIT[match[2]!] as number)))
}

/** `512KiB`, `4MiB` (powers of 1024), `4MB` (powers of 1000), or a number of bytes. Whole bytes. */
export function parseSizeBytes(value: unknown): Parsed<number> {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return good(value)
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([kKMG]i?B|B)$/.exec(value.trim()) : null
  const unit = match && BYTES_PER_UNIT[match[2]!]
  if (!match || !unit)
    return bad(`${shown(value)} is not a size; write a number with B, KB, MB, GB, KiB, MiB or GiB, for example 4MiB`)
  return good(Math.round(Number(match[1]) * unit))
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, `1.2.3.4:port` or `[v6]:port`. */
export function parseHostPort(value: unknown): Parsed<HostPort> {
  if (typeof value !== 'string') return bad(`${shown(value)} is not an address; write host:port`)
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+))(?::(\d+))?$/.exec(value.trim())
  if (!match) {
    return /^\w+:\/\//.test(value)
      ? bad(`${shown(value)} is a URL; write host:port alone`)
      : bad(`${shown(value)} is not an address; write host:port (IPv6 in brackets: [::1]:7400)`)
  }
  const host = (match[1] ?? match[2]) as string
  if (match[3] === undefined)
    return bad(`${shown(value)} has no port; write host:port, for example ${value.trim()}:9092`)
  const port = Number(match[3])
  if (port > 65_535) return bad(`${port} is not a port; ports go up to 65535`)
  return good({ host, port })
}

/** Where a first start begins: `earliest`, `latest`, or an ISO 8601 time with its zone. */
export function parseFirstStart(value: unknown): Parsed<StartPolicy> {
  const text = typeof value === 'string' ? value : shown(value)
  const problem = startProblem(text)
  return problem === undefined ? good(parseStart(text)) : bad(problem)
}

/** A parser of text out of one of `route/`'s rules, which say what is wrong in words. */
export function textWith(rule: (text: string) => string | undefined): (value: unknown) => Parsed<string> {
  return value => {
    if (typeof value !== 'string') return bad(`${shown(value)} is not text; put it in quotes`)
    const problem = rule(value)
    return problem === undefined ? good(value) : bad(problem)
  }
}

/** A zod type out of a parser. `kind` is the word for it in docs/config.md. */
export function scalar<T>(
  kind: string,
  parse: (value: unknown) => Parsed<T>,
  within?: (value: T) => string | undefined,
) {
  return z
    .unknown()
    .transform((value, context): T => {
      if (value === undefined || value === null) {
        context.addIssue({ code: 'custom', message: 'is missing', params: { missing: true } })
        return z.NEVER
      }
      const parsed = parse(value)
      const problem = parsed.ok ? within?.(parsed.value) : parsed.problem
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
      return parsed.ok ? parsed.value : z.NEVER
    })
    .meta({ kind })
}

/** A duration in ms between two limits, both written as in the file. */
export function duration(min: string, max: string) {
  return scalar('duration', parseDurationMs, limits(parseDurationMs, min, max))
}

/** A size in bytes between two limits, both written as in the file. */
export function size(min: string, max: string) {
  return scalar('size', parseSizeBytes, limits(parseSizeBytes, min, max))
}

function limits(parse: (value: unknown) => Parsed<number>, min: string, max: string) {
  const [low, high] = [parse(min), parse(max)]
  if (!low.ok || !high.ok) throw new Error(`bad limits ${min} ${max}`)
  return (value: number) => (value < low.value || value > high.value ? `must be between ${min} and ${max}` : undefined)
}
