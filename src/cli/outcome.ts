import { AdminCallFailed } from '../admin/client.ts'
import { GatewayError } from '../errors.ts'

/** Exit codes, the same for every command; `isthmus --help` explains them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with a message for a person instead of a stack. */
export class CommandFailed extends Error {
  readonly exitCode: ExitCode
  readonly hint: string | undefined

  constructor(exitCode: ExitCode, message: string, hint?: string) {
    super(message)
    this.name = 'CommandFailed'
    this.exitCode = exitCode
    this.hint = hint
  }
}

export interface Outcome {
  readonly exitCode: ExitCode
  /** For stderr; without a newline at the end. */
  readonly message: string
}

/** What a failed command says and how it exits. A stack only for what is a bug. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof CommandFailed) return { exitCode: error.exitCode, message: withHint(error.message, error.hint) }
  if (error instanceof AdminCallFailed) {
    const exitCode = error.kind === 'unreachable' ? EXIT.unreachable : EXIT.failed
    return { exitCode, message: withHint(error.message, error.hint) }
  }
  if (error instanceof GatewayError && error.code !== 'INTERNAL')
    return { exitCode: exitCodeOf(error), message: withHint(error.message, error.hint, error.code) }
  // A plain Error is said on purpose, with words for a person; bugs have classes of their own.
  if (error instanceof Error && error.constructor === Error)
    return { exitCode: EXIT.failed, message: withHint(error.message, undefined) }
  const stack = error instanceof Error ? error.stack : String(error)
  return { exitCode: EXIT.failed, message: `This is a bug in isthmus, please report it.\n${stack}` }
}

function exitCodeOf(error: GatewayError): ExitCode {
  if (error.code === 'CONFIG_INVALID') return EXIT.usage
  return error.code === 'CLUSTER_UNREACHABLE' || error.code === 'PEER_UNREACHABLE' ? EXIT.unreachable : EXIT.failed
}

function withHint(message: string, hint: string | undefined, code?: string): string {
  const first = `error: ${message}${code === undefined || code === 'CONFIG_INVALID' ? '' : ` (${code})`}`
  return hint === undefined ? first : `${first}\n  hint: ${hint}`
}

/** The object alone on stdout, for scripts. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function printLines(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
