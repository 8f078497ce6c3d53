import type { Command } from 'commander'
import type { StatusAnswer } from './admin-messages.ts'
import { chosenNodes, type NodeChoice, withClient, withNodeOptions } from './nodes.ts'
import { CommandFailed, EXIT, printJson, printLines } from './outcome.ts'

const HELP_PAUSE = `
A pause holds for all nodes of the data center and over restarts, until
isthmus resume. Nothing is lost meanwhile unless the source's retention passes.

Examples:
  isthmus pause eu --reason "cluster upgrade"      the link from eu to here
  isthmus pause 'eu->us' --dir .isthmus/local      at a node of us`

const HELP_RESUME = `
Examples:
  isthmus resume eu
  isthmus resume 'eu->us' --dir .isthmus/local`

/** `isthmus pause|resume <link>`. */
export function register(program: Command): void {
  withNodeOptions(program.command('pause').description('stop fetching a link, on all nodes of the data center'))
    .argument('<link>', 'the link by its origin (eu) or its name (eu->us)')
    .option('-r, --reason <text>', 'shown in links while it lasts')
    .addHelpText('after', HELP_PAUSE)
    .action(async (link: string, options: NodeChoice & { reason?: string }) => {
      const address = await nodeFor(link, options)
      const answer = await withClient(address, client =>
        client.call<{ link: string; alreadyPaused: boolean }>('PauseLink', {
          origin: link,
          reason: options.reason ?? '',
        }),
      )
      if (options.json) printJson(answer)
      else printLines([answer.alreadyPaused ? `${answer.link} was paused already` : `${answer.link} is paused`])
    })
  withNodeOptions(program.command('resume').description('fetch a paused link again'))
    .argument('<link>', 'the link by its origin (eu) or its name (eu->us)')
    .addHelpText('after', HELP_RESUME)
    .action(async (link: string, options: NodeChoice) => {
      const address = await nodeFor(link, options)
      const answer = await withClient(address, client =>
        client.call<{ link: string; wasPaused: boolean }>('ResumeLink', { origin: link }),
      )
      if (options.json) printJson(answer)
      else printLines([answer.wasPaused ? `${answer.link} runs again` : `${answer.link} was not paused`])
    })
}

/** `eu->us` without quotes reaches us as `eu-`, and the shell has made a file `us`. */
function checkQuoted(link: string): void {
  if (link.endsWith('-'))
    throw new CommandFailed(
      EXIT.usage,
      `the shell took the ">" of "${link}>…" for a redirection`,
      `put the name in quotes, or write ${link.slice(0, -1)} alone`,
    )
}

/** Any node of the target data center will do; in a local stack it is found by the link's name. */
async function nodeFor(link: string, options: NodeChoice): Promise<string> {
  checkQuoted(link)
  const nodes = chosenNodes(options)
  const dc = link.split('->')[1]
  if (options.dir === undefined) return nodes[0]!.address
  if (dc === undefined)
    throw new CommandFailed(
      EXIT.usage,
      `"${link}" could end anywhere in this local stack`,
      `name the whole link, for example '${link}->us'`,
    )
  const there = nodes.filter(node => node.dc === dc)
  if (there.length === 0) throw new CommandFailed(EXIT.usage, `this local stack has no gateway in ${dc}`)
  for (const { address } of there) {
    const alive = await withClient(address, client => client.call<StatusAnswer>('GetStatus')).catch(() => undefined)
    if (alive !== undefined) return address
  }
  throw new CommandFailed(EXIT.unreachable, `no gateway of ${dc} answers`)
}
