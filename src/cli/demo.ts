import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { count, duration } from './local-options.ts'
import { EXIT, printJson, printLines } from './outcome.ts'

interface DemoFlags {
  readonly for: number
  readonly rate: number
  readonly nodes: number
  readonly wan: number
  readonly dir?: string
  readonly json?: boolean
}

const HELP = `
Three data centers on this machine: Kafka, Redis and a gateway each. Producers
write in all three. On the way a gateway is killed with -9 and starts again,
and a WAN path is cut and healed. At the end the three clusters are read and
compared record by record.

  isthmus demo
  isthmus demo --for 2m --rate 1000
  isthmus demo --for 30s --json     {"produced", "exact", "dcs": {"eu": {"expected",
                                    "present", "missing", "duplicated", …}, …}}

Exit code: 0 when every data center is exact, else 1.`

const DEFAULT_FOR_MS = 60_000
const SHORTEST_FOR_MS = 10_000

/** `isthmus demo`: the product's promise, shown and then checked. */
export function register(program: Command): void {
  program
    .command('demo')
    .description('run three data centers here, break things, compare every record')
    .addOption(
      new Option('--for <time>', 'how long producers write').argParser(duration).default(DEFAULT_FOR_MS, '60s'),
    )
    .option('--rate <n>', 'records per second in each data center', count, 200)
    .option('--nodes <n>', 'gateway nodes per data center', count, 1)
    .addOption(new Option('--wan <time>', 'round trip between data centers').argParser(duration).default(20, '20ms'))
    .option('--dir <dir>', 'where it keeps its files (default: .isthmus/demo of the checkout)')
    .option('--json', 'one JSON object on stdout at the end; progress on stderr')
    .addHelpText('after', HELP)
    .action(demo)
}

async function demo(flags: DemoFlags, command: Command): Promise<void> {
  if (flags.for < SHORTEST_FOR_MS)
    command.error(`--for must be at least ${SHORTEST_FOR_MS / 1000}s: there is much to break`)
  if (flags.nodes < 1 || flags.rate < 1) command.error('--nodes and --rate must be at least 1')
  const [{ runDemo }, { liveView, lineView, verdictLines }, { root }] = await Promise.all([
    import('./demo/run.ts'),
    import('./demo/view.ts'),
    import('../../deploy/local/paths.ts'),
  ])
  const view = flags.json
    ? lineView(line => console.error(line))
    : process.stdout.isTTY
      ? liveView(process.stdout)
      : lineView(line => console.log(line))
  const dir = flags.dir === undefined ? join(root, '.isthmus', 'demo') : resolve(flags.dir)
  const options = { dir, forMs: flags.for, recordsPerSecond: flags.rate, nodes: flags.nodes, wanDelayMs: flags.wan }
  const result = await runDemo(options, view)
  const { produced, exact, dcs } = result
  if (flags.json) printJson({ produced, exact, dcs: Object.fromEntries(dcs) })
  else printLines(verdictLines(dcs, produced))
  process.exitCode = exact ? EXIT.ok : EXIT.failed
}
