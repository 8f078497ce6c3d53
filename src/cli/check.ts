import type { Command } from 'commander'
import { readConfig } from '../config/load.ts'
import { configInvalid } from '../config/problems.ts'
import type { GatewayConfig } from '../config/schema.ts'
import type { Finding } from './check/finding.ts'
import type { CheckFacts, TopicVerdict } from './check/step.ts'
import { EXIT, type ExitCode, printJson, printLines } from './outcome.ts'
import { several, table, terminalWidth, wrap } from './text.ts'

interface CheckOptions {
  readonly config: string
  readonly offline?: boolean
  readonly topics?: boolean
  readonly json?: boolean
}

const HELP = `
First the file alone: every mistake at once, each with its place. Then the real
clusters: the local Kafka with its permissions and settings, every node of
every peer, and topic by topic what would be replicated, and why not. Changes
nothing anywhere; may be run beside a running gateway.

Examples:
  isthmus check -c isthmus.yaml
  isthmus check -c isthmus.yaml --offline       the file alone
  isthmus check -c isthmus.yaml --topics        with the verdict on every topic
  isthmus check -c isthmus.yaml --json

Exit codes: 0 nothing wrong (warnings at most), 1 a cluster or peer is not as
it must be, 2 the config cannot be used, 3 the local cluster does not answer.`

/** `isthmus check`: would a gateway with this config work, and what would it do? */
export function register(program: Command): void {
  program
    .command('check')
    .description('test a config: first the file, then against the real clusters')
    .requiredOption('-c, --config <file>', 'the config, see docs/config.md')
    .option('--offline', 'only the file, dial nobody')
    .option('-t, --topics', 'list every topic with its verdict')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', HELP)
    .action(check)
}

async function check(options: CheckOptions): Promise<void> {
  const reading = readConfig(options.config)
  if (!reading.ok) {
    if (!options.json) throw configInvalid(options.config, reading.problems)
    printJson({ ok: false, config: { problems: reading.problems }, findings: [], topics: [] })
    process.exitCode = EXIT.usage
    return
  }
  if (!options.json) printLines([`${options.config} is valid: ${summary(reading.config)}`])
  if (options.offline) {
    if (options.json) printJson({ ok: true, config: { problems: [] }, findings: [], topics: [] })
    return
  }
  const facts: CheckFacts = { config: reading.config, offers: [], verdicts: [] }
  const findings = await runSteps(facts, options)
  const errors = findings.filter(({ level }) => level === 'error').length
  const warnings = findings.filter(({ level }) => level === 'warning').length
  if (options.json) printJson({ ok: errors === 0, config: { problems: [] }, findings, topics: facts.verdicts })
  else {
    if (options.topics) printLines(['', ...verdictLines(facts.verdicts, terminalWidth())])
    printLines(['', `${several(errors, 'error')}, ${several(warnings, 'warning')}`])
  }
  process.exitCode = exitCode(facts, errors)
}

function exitCode(facts: CheckFacts, errors: number): ExitCode {
  if (facts.cluster === undefined) return EXIT.unreachable
  return errors > 0 ? EXIT.failed : EXIT.ok
}

async function runSteps(facts: CheckFacts, { json }: CheckOptions): Promise<(Finding & { step: string })[]> {
  const { CHECK_STEPS } = await import('./check/steps.ts')
  const all: (Finding & { step: string })[] = []
  let heading = ''
  try {
    for (const { title, run } of CHECK_STEPS) {
      const findings = await run(facts)
      all.push(...findings.map(finding => ({ step: title, ...finding })))
      if (json || findings.length === 0) continue
      if (title !== heading) printLines(['', title])
      heading = title
      printLines(findings.flatMap(finding => findingLines(finding, terminalWidth())))
    }
  } finally {
    await facts.cluster?.close()
  }
  return all
}

function summary({ dc, node, peers, topics }: GatewayConfig): string {
  const wanted = topics.include.length === 0 ? 'fetches nothing' : `fetches ${topics.include.join(', ')}`
  return `dc ${dc}, node ${node}, ${several(peers.length, 'peer')}, ${wanted}`
}

const MARK = { ok: 'ok      ', warning: 'warning ', error: 'ERROR   ' } as const
const INDENT = ' '.repeat(10)

/** One finding as text: mark, place, what; what to do on lines of its own. */
export function findingLines({ level, where, what, whatToDo }: Finding, width: number): string[] {
  const [first = '', ...rest] = wrap(`${where}: ${what}`, width, INDENT)
  const todo = whatToDo === undefined ? [] : wrap(`-> ${whatToDo}`, width, INDENT)
  return [`  ${MARK[level]}${first.trimStart()}`, ...rest, ...todo]
}

/** Every topic of every link with its verdict. */
export function verdictLines(verdicts: readonly TopicVerdict[], width: number): string[] {
  if (verdicts.length === 0) return ['no topics']
  return table(
    [
      { title: 'LINK', of: ({ link }) => link },
      {
        title: 'TOPIC',
        of: ({ topic, target }) => (target === undefined || target === topic ? topic : `${topic} as ${target}`),
        shrinks: true,
      },
      { title: 'FETCHED', of: ({ crosses }) => (crosses ? 'yes' : 'no') },
      { title: 'WHY', of: ({ why }) => why, shrinks: true },
    ],
    verdicts,
    width,
  )
}
