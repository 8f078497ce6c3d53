import type { Command } from 'commander'
import type { StatusAnswer } from './admin-messages.ts'
import { askAll, type NodeChoice, unreachedLines, withNodeOptions } from './nodes.ts'
import { EXIT, printJson, printLines } from './outcome.ts'
import { bytes, seconds, several, terminalWidth, wrap } from './text.ts'

const HELP = `
Examples:
  isthmus status                                  the node on this machine
  isthmus status -a gw-1:7401 gw-2:7401           several nodes
  isthmus status --dir .isthmus/local --json      all nodes of a local stack

Exit codes: 0 every node is ready, 1 a node answers but is not ready,
3 a node does not answer.`

/** `isthmus status`: who the nodes are and how they are. */
export function register(program: Command): void {
  withNodeOptions(program.command('status').description('show how gateway nodes are'))
    .addHelpText('after', HELP)
    .action(async (choice: NodeChoice) => {
      const { answers, unreached } = await askAll(choice, client => client.call<StatusAnswer>('GetStatus'))
      if (choice.json) printJson({ nodes: answers, unreached })
      else printLines(answers.flatMap((status, at) => [...(at > 0 ? [''] : []), ...statusLines(status, Date.now())]))
      for (const line of unreachedLines(unreached)) console.error(`error: ${line}`)
      if (unreached.length > 0) process.exitCode = EXIT.unreachable
      else if (!answers.every(isReady)) process.exitCode = EXIT.failed
    })
}

function isReady(status: StatusAnswer): boolean {
  return status.checks.every(check => check.ok)
}

/** One node as text. */
export function statusLines(status: StatusAnswer, nowMs: number, width = terminalWidth()): string[] {
  const up = seconds(Math.max(0, (nowMs - status.startedAtMs) / 1000))
  const ready = isReady(status) ? 'ready' : 'NOT READY'
  const lines = [`${status.node}  ${ready}  ${status.state} for ${up}  isthmus ${status.version}`]
  const field = (name: string, value: string) => {
    const [first = '', ...rest] = wrap(value, width, FIELD_INDENT)
    lines.push(`  ${name.padEnd(FIELD_INDENT.length - 2)}${first.trimStart()}`, ...rest)
  }
  for (const check of status.checks) if (!check.ok) field('not ready', `${check.name}: ${check.why}`)
  field('dc', status.dc)
  const { kafka, memory } = status
  field(
    'kafka',
    kafka.reachable
      ? `${several(kafka.brokers, 'broker')}, cluster ${kafka.clusterId}`
      : `not reachable: ${kafka.problem}`,
  )
  const members = status.members.map(({ node, lanes }) => `${node} has ${lanes}`).join(', ')
  field('lanes', members === '' ? 'none' : members)
  const halted =
    status.haltedPartitions > 0 ? `, ${several(status.haltedPartitions, 'partition')} HALTED (see isthmus links)` : ''
  field('fetches', `${several(status.links, 'link')}${halted}`)
  field('serves', servedText(status.served))
  field(
    'memory',
    `${bytes(memory.bufferedBytes)} buffered of at most ${bytes(memory.boundBytes)}; process ${bytes(memory.rssBytes)}`,
  )
  field('log level', status.logLevel)
  return lines
}

const FIELD_INDENT = ' '.repeat(14)

function servedText(served: StatusAnswer['served']): string {
  if (served.length === 0) return 'nobody'
  const byPeer = new Map<string, string[]>()
  for (const { peerNode, link } of served) byPeer.set(peerNode, [...(byPeer.get(peerNode) ?? []), link])
  return [...byPeer].map(([peer, links]) => `${peer} (${links.join(', ')})`).join(', ')
}
