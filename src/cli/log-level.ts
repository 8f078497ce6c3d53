import { Argument, type Command } from 'commander'
import { LOG_LEVEL_NAMES } from '../admin/ports.ts'
import { askAll, type NodeChoice, unreachedLines, withNodeOptions } from './nodes.ts'
import { EXIT, printJson, printLines } from './outcome.ts'

const HELP = `
Holds until the node restarts; logLevel in the config is what it starts with.

Examples:
  isthmus log-level debug
  isthmus log-level info --dir .isthmus/local`

/** `isthmus log-level <level>`: how much nodes log, until they restart. */
export function register(program: Command): void {
  withNodeOptions(program.command('log-level').description('change how much running nodes log'))
    .addArgument(new Argument('<level>').choices(LOG_LEVEL_NAMES))
    .addHelpText('after', HELP)
    .action(async (level: string, options: NodeChoice) => {
      const { answers, unreached } = await askAll(options, async client => ({
        address: client.address,
        ...(await client.call<{ previousLevel: string }>('SetLogLevel', { level })),
      }))
      if (options.json) printJson({ nodes: answers, unreached })
      else printLines(answers.map(({ address, previousLevel }) => `${address}: ${previousLevel} -> ${level}`))
      for (const line of unreachedLines(unreached)) console.error(`error: ${line}`)
      if (unreached.length > 0) process.exitCode = EXIT.unreachable
    })
}
