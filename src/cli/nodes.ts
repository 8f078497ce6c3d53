import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { AdminCallFailed, type AdminClient, adminClient } from '../admin/client.ts'
import { CommandFailed, EXIT } from './outcome.ts'

/** Which gateway nodes a command asks, and asking them. */

export interface NodeChoice {
  readonly address?: readonly string[]
  readonly dir?: string
  readonly json?: boolean
}

export interface NodeAddress {
  /** Known from local.json only. */
  readonly dc?: string
  readonly node?: string
  readonly address: string
}

export const DEFAULT_ADMIN_ADDRESS = '127.0.0.1:7401'

/** The options that every command to a running gateway has. */
export function withNodeOptions(command: Command): Command {
  return command
    .option('-a, --address <host:port...>', `admin addresses of nodes (default: ${DEFAULT_ADMIN_ADDRESS})`)
    .addOption(new Option('--dir <dir>', 'ask all nodes of the isthmus local in this directory').conflicts('address'))
    .option('--json', 'print one JSON object on stdout')
}

/** Addresses by option. A node of a local stack that is down is listed too: asking it fails, which is the truth. */
export function chosenNodes(choice: NodeChoice): NodeAddress[] {
  if (choice.dir !== undefined) return localNodes(choice.dir)
  return (choice.address ?? [DEFAULT_ADMIN_ADDRESS]).map(address => {
    if (!/^(\[[^\]]+\]|[^\s:/]+):\d{1,5}$/.test(address))
      throw new CommandFailed(EXIT.usage, `"${address}" is not an address`, 'write --address HOST:PORT')
    return { address }
  })
}

function localNodes(dir: string): NodeAddress[] {
  const file = join(dir, 'local.json')
  try {
    const { dcs } = JSON.parse(readFileSync(file, 'utf8')) as {
      dcs: Record<string, { gateways: { node: string; admin: string }[] }>
    }
    return Object.entries(dcs).flatMap(([dc, { gateways }]) =>
      gateways.map(({ node, admin }) => ({ dc, node, address: admin })),
    )
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new CommandFailed(
      EXIT.usage,
      missing ? `there is no ${file}` : `${file} cannot be read: ${(error as Error).message}`,
      `start the local stack with: isthmus local up --detach --dir ${dir}`,
    )
  }
}

export interface Unreached {
  readonly address: string
  readonly node?: string
  readonly problem: string
}

export interface Answers<T> {
  readonly answers: readonly T[]
  readonly unreached: readonly Unreached[]
}

/** Asks every chosen node at once. A node that does not answer is reported beside the others; if none does, rejects. */
export async function askAll<T>(choice: NodeChoice, ask: (client: AdminClient) => Promise<T>): Promise<Answers<T>> {
  const nodes = chosenNodes(choice)
  if (nodes.length === 0) throw new CommandFailed(EXIT.usage, 'there is no gateway node to ask')
  const results = await Promise.allSettled(nodes.map(({ address }) => withClient(address, ask)))
  const answers: T[] = []
  const unreached: Unreached[] = []
  for (const [at, result] of results.entries()) {
    if (result.status === 'fulfilled') {
      answers.push(result.value)
      continue
    }
    const { reason } = result
    if (!(reason instanceof AdminCallFailed) || reason.kind !== 'unreachable' || nodes.length === 1) throw reason
    unreached.push({ address: nodes[at]!.address, node: nodes[at]!.node, problem: reason.message })
  }
  if (answers.length === 0)
    throw new CommandFailed(EXIT.unreachable, unreached.map(({ problem }) => problem).join('\n'))
  return { answers, unreached }
}

/** One client for one piece of work, closed whatever happens. */
export async function withClient<T>(address: string, work: (client: AdminClient) => Promise<T>): Promise<T> {
  const client = adminClient(address)
  try {
    return await work(client)
  } finally {
    client.close()
  }
}

/** Lines that name the nodes which did not answer, for stderr. */
export function unreachedLines(unreached: readonly Unreached[]): string[] {
  return unreached.map(({ node, problem }) => `${node === undefined ? '' : `${node}: `}${problem}`)
}
