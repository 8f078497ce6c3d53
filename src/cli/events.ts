import { type Command, InvalidArgumentError } from 'commander'
import { adminClient } from '../admin/client.ts'
import type { EventAnswer } from './admin-messages.ts'
import { chosenNodes, type NodeAddress, type NodeChoice, withNodeOptions } from './nodes.ts'
import { CommandFailed, EXIT } from './outcome.ts'

interface EventsOptions extends NodeChoice {
  readonly follow?: boolean
  readonly last: number
  readonly name?: readonly string[]
}

const HELP = `
Each node keeps its last 1,000 events: gaps with their exact range, halted
partitions, breakers, lanes that moved, topics created. docs/metrics.md lists
the names.

Examples:
  isthmus events                         the last 20
  isthmus events -f                      go on until Ctrl-C
  isthmus events --name gap halted -n 1000
  isthmus events -f --json               one JSON object per line`

/** `isthmus events`: what happened, with `--follow` live. */
export function register(program: Command): void {
  withNodeOptions(program.command('events').description('show what happened: gaps, halts, breakers, lanes, topics'))
    .option('-f, --follow', 'go on with new events until Ctrl-C')
    .option('-n, --last <number>', 'how many of the kept events to begin with', readCount, 20)
    .option('--name <name...>', 'only events of these names')
    .addHelpText('after', HELP)
    .action(showEvents)
}

async function showEvents(options: EventsOptions): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const nodes = chosenNodes(options)
  const several = nodes.length > 1
  const watching = await Promise.allSettled(nodes.map(node => watchNode(node, options, several, stop.signal)))
  const failures = watching.flatMap(result => (result.status === 'rejected' ? [result.reason as Error] : []))
  if (failures.length === 0) return
  if (failures.length === nodes.length) throw failures[0]
  throw new CommandFailed(EXIT.unreachable, failures.map(failure => failure.message).join('\n'))
}

async function watchNode(
  node: NodeAddress,
  options: EventsOptions,
  named: boolean,
  signal: AbortSignal,
): Promise<void> {
  const client = adminClient(node.address)
  const label = named ? (node.node ?? node.address) : undefined
  const request = { backlog: options.last === 0 ? -1 : options.last, names: options.name ?? [], once: !options.follow }
  try {
    for await (const { event, missed } of client.watch<{ event: EventAnswer; missed: number }>(request, signal)) {
      if (missed > 0) console.error(`${missed} events left out: this reader was too slow`)
      const line = options.json
        ? JSON.stringify(label === undefined ? event : { node: label, ...event })
        : eventLine(event, label)
      process.stdout.write(`${line}\n`)
    }
  } finally {
    client.close()
  }
}

/** `12:00:01 warn  gap  eu->us orders[3] 100..250: message`. Local time; the range without its end. */
export function eventLine(event: EventAnswer, node?: string): string {
  const time = new Date(event.timeMs).toLocaleString('sv-SE')
  const partition = event.partition === undefined ? '' : `[${event.partition}]`
  const range = event.fromOffset === undefined ? '' : `${event.fromOffset}..${event.toOffset ?? ''}`
  const place = [event.link, event.peer, event.topic === '' ? '' : `${event.topic}${partition}`, range].filter(Boolean)
  return (
    [time, event.level.padEnd(5), ...(node === undefined ? [] : [node]), event.name, ...place].join(' ') +
    `: ${event.message}`
  )
}

function readCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 1000)
    throw new InvalidArgumentError('write a number from 0 to 1000.')
  return value
}
