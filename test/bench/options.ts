import { parseArgs } from 'node:util'

export const BENCH_MODES = ['replication', 'latency', 'distance', 'idle'] as const
export type BenchMode = (typeof BENCH_MODES)[number]

export const SYSTEM_NAMES = [
  'isthmus',
  'mirrormaker2-tuned',
  'mirrormaker2-default',
  'mirrormaker2-exactly-once',
] as const
export type SystemName = (typeof SYSTEM_NAMES)[number]

export interface BenchOptions {
  readonly mode: BenchMode
  readonly records: number
  readonly rounds: number
  readonly partitions: number
  readonly systems: readonly SystemName[]
  readonly seed: number
  readonly json: boolean
  readonly profile: boolean
  readonly roundTripMs: number
  readonly kafka: string | undefined
}

const HELP = `Isthmus and MirrorMaker 2 on the same brokers, data and cores, one after another.

  npm run bench -- [mode] [options]

Modes
  replication   a filled topic of 242-byte lz4 events is copied: rate, CPU and memory of each process,
                then latency at 200 records a second (default)
  latency       only the latter
  distance      one partition over 80 ms of round trip (isthmus alone)
  idle          CPU of gateways that own 1,000 partitions without traffic

Options
  --records N      events in the topic (default 4,000,000; distance 1,000,000)
  --rounds N       runs of each system, order swapped every round (default 3; medians are reported)
  --partitions N   of the topic (default 6; distance 1; idle 1,000)
  --systems A,B    of ${SYSTEM_NAMES.join(', ')} (default all)
  --round-trip MS  for distance (default 80)
  --seed S         fixes the events (default 1)
  --kafka V        Kafka's version (default 4.3.1)
  --profile        writes CPU profiles of the gateways and says where
  --json           one object on stdout, nothing else

Nothing else should run on the machine meanwhile.`

/** Options of the command line; prints the help and ends the process when asked to. */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      records: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      partitions: { type: 'string' },
      systems: { type: 'string', default: SYSTEM_NAMES.join(',') },
      'round-trip': { type: 'string', default: '80' },
      seed: { type: 'string', default: '1' },
      kafka: { type: 'string' },
      profile: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    process.exit(0)
  }
  const mode = oneOf('mode', positionals[0] ?? 'replication', BENCH_MODES)
  return {
    mode,
    records: count('records', values.records ?? (mode === 'distance' ? '1000000' : '4000000')),
    rounds: count('rounds', values.rounds),
    partitions: count('partitions', values.partitions ?? DEFAULT_PARTITIONS[mode]),
    systems: values.systems.split(',').map(name => oneOf('systems', name, SYSTEM_NAMES)),
    seed: count('seed', values.seed),
    json: values.json,
    profile: values.profile,
    roundTripMs: count('round-trip', values['round-trip']),
    kafka: values.kafka,
  }
}

const DEFAULT_PARTITIONS = { replication: '6', latency: '1', distance: '1', idle: '1000' } as const

function oneOf<T extends string>(what: string, text: string, known: readonly T[]): T {
  const found = known.find(name => name === text)
  if (found === undefined) throw new Error(`${what}: ${text} is none of ${known.join(', ')}; see --help`)
  return found
}

function count(name: string, text: string): number {
  const value = Number(text.replaceAll(',', '').replaceAll('_', ''))
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number above 0, not ${text}`)
  return value
}
