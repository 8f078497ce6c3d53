import { InvalidArgumentError } from 'commander'
import type { LocalOptions, Topology, WanChange } from '../../deploy/local/types.ts'
import { type Parsed, parseDurationMs, parseSizeBytes } from '../config/values.ts'

/** Parsers of what `isthmus local` is given on the command line. Each names its mistake; commander adds the option. */

function understood<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw new InvalidArgumentError(parsed.problem)
  return parsed.value
}

export const duration = (text: string): number => understood(parseDurationMs(text))

/** `1MB/s`; the unit of time may be left out. */
export const bytesPerSecond = (text: string): number => {
  const rate = understood(parseSizeBytes(text.replace(/\/s$/, '')))
  if (rate === 0) throw new InvalidArgumentError('a rate of 0 lets nothing through; use --blackhole')
  return rate
}

export const names = (text: string): string[] => text.split(',').map(name => name.trim())

export const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError(`${text} is not a number of them`)
  return value
}

/** What commander collects for `local up`. */
export interface UpFlags {
  readonly dir: string
  readonly dcs?: string[]
  readonly nodes?: number
  readonly brokers?: number
  readonly gateways: boolean
  readonly redis: boolean
  readonly wan?: number
  readonly topology?: Topology
  readonly include?: string[]
  readonly configExtra?: string
  readonly kafka?: string
  readonly detach?: boolean
  readonly json?: boolean
}

/** The flags as options of `startLocal`, without what is to be read from files. */
export function localOptions(flags: UpFlags): LocalOptions & { dir: string } {
  const { dir, dcs, nodes, brokers, gateways, redis, wan, topology, include, kafka } = flags
  const prepared = gateways ? 'started' : 'prepared'
  return { dir, dcs, nodes, brokers, gateways: prepared, redis, wanDelayMs: wan, topology, include, kafka }
}

/** What commander collects for `local wan`. */
export interface WanFlags {
  readonly dir: string
  readonly cut?: boolean
  readonly delay?: number
  readonly rate?: number
  readonly resetEvery?: number
  readonly blackhole?: boolean
  readonly heal?: boolean
  readonly oneWay?: boolean
  readonly json?: boolean
}

/** The changes in the order in which they make sense together: first everything is healed, then made worse. */
export function wanChanges(flags: WanFlags): WanChange[] {
  const changes: WanChange[] = []
  if (flags.heal) changes.push({ kind: 'heal' })
  if (flags.delay !== undefined) changes.push({ kind: 'delay', roundTripMs: flags.delay })
  if (flags.rate !== undefined) changes.push({ kind: 'rate', bytesPerSecond: flags.rate })
  if (flags.resetEvery !== undefined) changes.push({ kind: 'reset-every', intervalMs: flags.resetEvery || null })
  if (flags.blackhole) changes.push({ kind: 'blackhole' })
  if (flags.cut) changes.push({ kind: 'cut' })
  return changes
}
