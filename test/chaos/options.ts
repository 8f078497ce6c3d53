import { parseArgs } from 'node:util'

export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  readonly brokers: number
  readonly nodes: number
  readonly dcs: readonly string[]
  readonly json: boolean
  readonly dir: string | undefined
  readonly kafka: string | undefined
  /** Per producer: each data center has two plain ones and three with transactions. */
  readonly rate: number
}

const HELP = `Random faults under load, judged record by record.

  npm run chaos -- [options]

  --minutes N    how long, in rounds of a minute of faults (default 5)
  --seed S       fixes data and schedule (default: drawn, printed)
  --brokers N    brokers per data center, 1 (default) or 3
  --nodes N      gateway nodes per data center (default 2)
  --dcs A,B,C    data centers (default eu,us,ap)
  --rate N       records a second of each producer, five per data center (default 150)
  --kafka V      Kafka's version (default 4.3.1)
  --dir DIR      where clusters and logs live (default: a temporary directory)
  --json         one object at the end, nothing else on stdout

Exit code 0: every data center held every record once, in order, byte for byte, after each round.`

/** Options of the command line; prints the help and ends the process when asked to. */
export function chaosOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string' },
      brokers: { type: 'string', default: '1' },
      nodes: { type: 'string', default: '2' },
      dcs: { type: 'string', default: 'eu,us,ap' },
      rate: { type: 'string', default: '150' },
      kafka: { type: 'string' },
      dir: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    process.exit(0)
  }
  return {
    minutes: positive('minutes', values.minutes),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed),
    brokers: positive('brokers', values.brokers),
    nodes: positive('nodes', values.nodes),
    dcs: values.dcs.split(','),
    rate: positive('rate', values.rate),
    kafka: values.kafka,
    dir: values.dir,
    json: values.json,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${text}`)
  return value
}
