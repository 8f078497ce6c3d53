import type { Command } from 'commander'
import { loadConfig } from '../config/load.ts'
import { configSource } from '../config/source.ts'
import { createLogger } from '../telemetry/log.ts'
import { EXIT } from './outcome.ts'

const HELP = `
Runs until SIGTERM or SIGINT, then drains and hands its lanes over within 10 s;
a second signal ends it at once. Logs are JSON lines on stdout.

Examples:
  isthmus check --config isthmus.yaml      first
  isthmus gateway --config isthmus.yaml

Exit codes: 0 stopped in order, 1 failed, 2 the config cannot be used,
3 no broker of the local cluster answers.`

/** From the first signal to the end of the process; what is not done by then is left to the next owner's fence. */
const STOP_DEADLINE_MS = 10_000

/** `isthmus gateway`: one gateway node in this process. */
export function register(program: Command): void {
  program
    .command('gateway')
    .description('run a gateway node')
    .requiredOption('-c, --config <file>', 'the config, see docs/config.md')
    .addHelpText('after', HELP)
    .action(async ({ config: file }: { config: string }) => {
      const source = configSource(loadConfig(file))
      const logger = createLogger(source.current().logLevel)
      const { runGateway } = await import('../main.ts')
      const signalled = firstSignal()
      signalled.then(signal => {
        logger.child('gateway').info({ signal }, 'stopping; a second signal ends the process at once')
        // The rooms keep to the deadline each; this one is for what hangs in spite of it, the start included.
        setTimeout(() => process.exit(EXIT.failed), STOP_DEADLINE_MS)
      })
      const gateway = await runGateway(source, logger)
      await signalled
      await gateway.stop(STOP_DEADLINE_MS - STOP_SLACK_MS)
      process.exit(EXIT.ok)
    })
}

/** Left of the deadline for the process itself to end. */
const STOP_SLACK_MS = 500

/** Resolves at the first SIGTERM or SIGINT; the next one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let seen = false
    const onSignal = (signal: NodeJS.Signals) => {
      if (seen) process.exit(EXIT.failed)
      seen = true
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
