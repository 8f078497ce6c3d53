import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { ControlRequest } from '../../deploy/local/control.ts'
import type { LocalInfo } from '../../deploy/local/types.ts'
import {
  bytesPerSecond,
  count,
  duration,
  localOptions,
  names,
  type UpFlags,
  type WanFlags,
  wanChanges,
} from './local-options.ts'
import { infoTable, statusTable } from './local-view.ts'

const UP_HELP = `
Everything is on loopback and its ports are chosen free, so several can run side by side, each in its --dir.
DIR/local.json says where everything listens: {"dcs": {"eu": {"kafka", "redis", "brokers", "gateways"}}}.
Without --detach it runs until Ctrl-C; with it until \`isthmus local down\`. The data is new at every start.

  isthmus local up --detach
  isthmus local kill eu-1            # a gateway node: kill -9; it stays down until start
  isthmus local start eu-1
  isthmus local wan eu-us --cut
  isthmus local wan eu-us --heal
  isthmus local down`

const WAN_HELP = `
PATH is two data centers, such as eu-us. Takes effect on open connections too; several can be combined.

  isthmus local wan eu-us --delay 80ms            # round trip, half of it each way
  isthmus local wan eu-us --rate 1MB/s
  isthmus local wan eu-us --blackhole --one-way   # what eu sends to us is swallowed, answers of us still come
  isthmus local wan eu-us --heal                  # as it was at the start`

const NAME_HELP = '\nNAME is a gateway node (eu-1), a broker (kafka-eu-1) or a Redis (redis-eu).'

/** `isthmus local …`: data centers on this machine, and everything that can go wrong between them. */
export function register(program: Command): void {
  const local = program
    .command('local')
    .description('run whole data centers on this machine: Kafka, Redis, gateways, WAN')
  registerUp(local)
  const status = withDir(local.command('status')).description('what runs, and how the WAN is')
  status.action((flags: CommonFlags) => ask(flags, { do: 'status' }))
  const acts = [
    ['stop', 'end a process in order (SIGTERM)'],
    ['kill', 'kill a process with -9; it stays down until start'],
    ['start', 'start a process again: same ports, same data'],
    ['pause', 'freeze a process (SIGSTOP)'],
    ['resume', 'go on after pause (SIGCONT)'],
  ] as const
  for (const [act, description] of acts) {
    const command = withDir(local.command(`${act} <name>`))
      .description(description)
      .addHelpText('after', NAME_HELP)
    command.action((name: string, flags: CommonFlags) => ask(flags, { do: act, name }))
  }
  registerWan(local)
  const down = withDir(local.command('down')).description('end everything and remove its data; logs stay')
  down.action((flags: CommonFlags) => bringDown(flags))
}

interface CommonFlags {
  readonly dir: string
  readonly json?: boolean
}

function withDir(command: Command): Command {
  return command
    .option('--dir <dir>', 'where it keeps its files (default: .isthmus/local of the checkout)')
    .option('--json', 'one JSON object on stdout and nothing else')
}

function registerUp(local: Command): void {
  withDir(local.command('up'))
    .description('start data centers and wait until they are ready')
    .option('--dcs <names>', 'data centers (default: eu,us,ap)', names)
    .option('--nodes <n>', 'gateway nodes per data center (default: 1)', count)
    .option('--brokers <n>', 'Kafka brokers per data center (default: 1)', count)
    .option('--wan <time>', 'round trip between data centers (default: none)', duration)
    .addOption(
      new Option('--topology <name>', 'who fetches from whom; the first dc is the middle of a hub or star').choices([
        'mesh',
        'hub',
        'star',
        'chain',
        'ring',
      ]),
    )
    .option('--include <patterns>', 'topics to replicate (default: all)', names)
    .option('--config-extra <file>', "YAML merged into each gateway's config")
    .option('--kafka <version>', 'version of Kafka (see scripts/setup.mjs --kafka)')
    .option('--no-gateways', 'leave the gateways down; `isthmus local start eu-1` starts one')
    .option('--no-redis', 'without Redis')
    .option('--detach', 'return when everything is ready, and leave it running')
    .addHelpText('after', UP_HELP)
    .action(up)
}

async function up(flags: UpFlags): Promise<void> {
  const { supervise, superviseDetached } = await import('../../deploy/local/supervisor.ts')
  const { readConfigTree } = await import('../../deploy/local/gateway-node.ts')
  const configExtra = flags.configExtra === undefined ? undefined : readConfigTree(flags.configExtra)
  const onStep = (text: string) => console.error(text)
  const options = { ...localOptions({ ...flags, dir: await directory(flags) }), configExtra, onStep }
  const show = (info: LocalInfo) => console.log(flags.json ? JSON.stringify(info) : infoTable(info))
  if (flags.detach) return show(await superviseDetached(options))
  await supervise(options, info => {
    show(info)
    console.error('Ctrl-C ends everything')
  })
}

function registerWan(local: Command): void {
  withDir(local.command('wan <path>'))
    .description('make the connections between two data centers bad, or good again')
    .option('--cut', 'reset all connections and refuse new ones')
    .option('--delay <time>', 'add so much to the round trip', duration)
    .option('--rate <rate>', 'let at most so much through, each way (1MB/s)', bytesPerSecond)
    .option('--reset-every <time>', 'reset all connections again and again (0s: no more)', duration)
    .option('--blackhole', 'keep connections and swallow every byte')
    .option('--one-way', 'delay, rate and blackhole only for what travels from the first to the second')
    .option('--heal', 'take everything back')
    .addHelpText('after', WAN_HELP)
    .action((path: string, flags: WanFlags, command: Command) => {
      const changes = wanChanges(flags)
      if (changes.length === 0)
        command.error('say what to do with it: --cut, --delay, --rate, --reset-every, --blackhole or --heal')
      return ask(flags, { do: 'wan', path, changes, options: { oneWay: flags.oneWay === true } })
    })
}

async function directory({ dir }: { readonly dir?: string }): Promise<string> {
  const { defaultDir } = await import('../../deploy/local/paths.ts')
  return dir === undefined ? defaultDir : resolve(dir)
}

async function ask(flags: CommonFlags, request: ControlRequest): Promise<void> {
  const { askSupervisor } = await import('../../deploy/local/control.ts')
  const status = await askSupervisor(await directory(flags), request)
  console.log(flags.json ? JSON.stringify(status) : statusTable(status))
}

async function bringDown(flags: CommonFlags): Promise<void> {
  const { OWNER_FILE, ownerPid } = await import('../../deploy/local/start.ts')
  const dir = await directory(flags)
  const wasRunning = ownerPid(dir) !== undefined
  if (wasRunning) {
    const { askSupervisor } = await import('../../deploy/local/control.ts')
    await askSupervisor(dir, { do: 'down' })
  } else {
    // A supervisor that crashed took everything with it, but left these.
    for (const file of ['local.json', OWNER_FILE]) rmSync(join(dir, file), { force: true })
  }
  if (flags.json) console.log(JSON.stringify({ dir, wasRunning }))
  else console.log(wasRunning ? `${dir} is down` : `nothing was running in ${dir}`)
}
