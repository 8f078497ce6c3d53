import { type Command, InvalidArgumentError } from 'commander'
import type { EventAnswer } from './admin-messages.ts'
import { chosenNodes, type NodeChoice, withClient, withNodeOptions } from './nodes.ts'
import { EXIT } from './outcome.ts'

interface EventsOptions extends NodeChoice {
  readonly follow?: boolean
  readonly last: number
  readonly name?: readonly string[]
}

/** What a node keeps. */
const KEPT_MAX = 1000

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

/** A node, and how it is called in the output: not at all when it is the only one. */
interface Watched {
  readonly address: string
  readonly label: string | undefined
}

async function showEvents(options: EventsOptions): Promise<void> {
  const nodes = chosenNodes(options)
  const watched = nodes.map(
    ({ node, address }): Watched => ({ address, label: nodes.length > 1 ? (node ?? address) : undefined }),
  )
  const kept = await Promise.allSettled(watched.map(node => keptEvents(node, options)))
  report(kept, nodes.length)
  const backlog = kept.flatMap((result, at) =>
    result.status === 'fulfilled' ? result.value.map(event => ({ event, label: watched[at]!.label })) : [],
  )
  const inOrder = backlog.toSorted((a, b) => a.event.timeMs - b.event.timeMs)
  for (const { event, label } of options.last === 0 ? [] : inOrder.slice(-options.last)) print(event, label, options)
  if (!options.follow) return
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const following = kept.flatMap((result, at) =>
    result.status === 'fulfilled'
      ? [follow(watched[at]!, result.value.at(-1)?.sequence ?? 0, options, stop.signal)]
      : [],
  )
  report(await Promise.allSettled(following), nodes.length)
}

/** Nodes that failed beside others are named; if all did, the command fails. */
function report(results: readonly PromiseSettledResult<unknown>[], nodes: number): void {
  const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as Error] : []))
  if (failures.length === nodes) throw failures[0]
  for (const failure of failures) console.error(`error: ${failure.message}`)
  if (failures.length > 0) process.exitCode = EXIT.unreachable
}

type WatchAnswer = { event: EventAnswer; missed: number }

/** At least the newest kept event, so that it is known where following begins. */
function keptEvents({ address }: Watched, { last, name: names = [] }: EventsOptions): Promise<EventAnswer[]> {
  return withClient(address, async client => {
    const request = { backlog: Math.max(1, last), names, once: true }
    const answers = await Array.fromAsync(client.watch<WatchAnswer>(request, new AbortController().signal))
    return answers.map(({ event }) => event)
  })
}

function follow({ address, label }: Watched, afterSequence: number, options: EventsOptions, signal: AbortSignal) {
  return withClient(address, async client => {
    const request = { afterSequence, backlog: KEPT_MAX, names: options.name ?? [] }
    for await (const { event, missed } of client.watch<WatchAnswer>(request, signal)) {
      if (missed > 0) console.error(`${missed} events left out: this reader was too slow`)
      print(event, label, options)
    }
  })
}

function print(event: EventAnswer, node: string | undefined, { json }: EventsOptions): void {
  const line = json ? JSON.stringify(node === undefined ? event : { node, ...event }) : eventLine(event, node)
  process.stdout.write(`${line}\n`)
}

/** `12:00:01 warn  gap  eu->us orders[3] 100..250: message`. Local time; the range without its end. */
export function eventLine(event: EventAnswer, node?: string): string {
  const time = new Date(event.timeMs).toLocaleString('sv-SE')
  const partition = event.partition === undefined ? '' : `[${event.partition}]`
  const range = event.fromOffset === undefined ? '' : `${event.fromOffset}..${event.toOffset ?? ''}`
  // Messages about a peer mostly begin with its name.
  const peer = event.message.startsWith(event.peer) ? '' : event.peer
  const place = [event.link, peer, event.topic === '' ? '' : `${event.topic}${partition}`, range].filter(Boolean)
  return (
    [time, event.level.padEnd(5), ...(node === undefined ? [] : [node]), event.name, ...place].join(' ') +
    `: ${event.message}`
  )
}

function readCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > KEPT_MAX)
    throw new InvalidArgumentError('write a number from 0 to 1000.')
  return value
}
