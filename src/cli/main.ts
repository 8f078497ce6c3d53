import { Command, CommanderError } from 'commander'
import { VERSION } from '../version.ts'
import { register as check } from './check.ts'
import { register as demo } from './demo.ts'
import { register as events } from './events.ts'
import { register as gateway } from './gateway.ts'
import { register as links } from './links.ts'
import { register as local } from './local.ts'
import { register as logLevel } from './log-level.ts'
import { EXIT, outcomeOf } from './outcome.ts'
import { register as pause } from './pause.ts'
import { register as status } from './status.ts'

const HELP = `
First steps:
  isthmus demo                             three data centers on this machine, live
  isthmus local up                         the same to play with
  isthmus check --config isthmus.yaml      test a config against the real clusters
  isthmus gateway --config isthmus.yaml    run a gateway node

Each command explains itself: isthmus <command> --help

Exit codes: 0 ok, 1 failed, 2 wrong usage or config, 3 no answer.
With --json the result alone is on stdout; messages go to stderr.`

const GROUPS = [
  ['Run:', [gateway, check]],
  ['Look:', [status, links, events]],
  ['Act:', [pause, logLevel]],
  ['Try on this machine:', [demo, local]],
] as const

/** The whole command line. */
export function cli(): Command {
  const program = new Command('isthmus')
    .description('Joins the Kafka clusters of several data centers: one copy of every record\nin each, exactly once.')
    .version(VERSION, '-V, --version')
    .configureHelp({ showGlobalOptions: false, sortSubcommands: false })
    .addHelpText('after', HELP)
    .showSuggestionAfterError()
    .exitOverride()
  for (const [group, registers] of GROUPS) {
    program.commandsGroup(group)
    for (const register of registers) register(program)
  }
  return program
}

async function main(): Promise<void> {
  // `isthmus links | head` closes the pipe early, which is no failure.
  process.stdout.on('error', error =>
    process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? EXIT.ok : EXIT.failed),
  )
  try {
    await cli().parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed its message; its own codes are 0 for help and version, 1 for wrong usage.
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
      return
    }
    const { exitCode, message } = outcomeOf(error)
    console.error(message)
    process.exit(exitCode)
  }
}

await main()
