import { GatewayError } from '../errors.ts'

export type ConfigPath = readonly (string | number)[]

/** One mistake in a config file: where it is and what to do about it. */
export interface ConfigProblem {
  /** Dotted path in the file, `peers[1].via[0]`; empty for the file as a whole. */
  readonly path: string
  /** 1-based place in the file, absent where the file has nothing to point at. */
  readonly line?: number
  readonly column?: number
  /** What is wrong and what to write, one line. */
  readonly message: string
}

export function dotted(path: ConfigPath): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}

/** All mistakes of one file, each with its place, as text for a person. */
export function formatProblems(file: string, problems: readonly ConfigProblem[]): string {
  const lines = problems.map(problem => {
    const place = problem.line === undefined ? '' : `:${problem.line}:${problem.column}`
    return `  ${file}${place}\n    ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`
  })
  const count = problems.length === 1 ? 'one mistake' : `${problems.length} mistakes`
  return `${file} has ${count}:\n${lines.join('\n')}`
}

export function configInvalid(file: string, problems: readonly ConfigProblem[]): GatewayError {
  return new GatewayError('CONFIG_INVALID', 'process', formatProblems(file, problems), {
    hint: 'docs/config.md describes every key; isthmus check --config FILE tests a file without starting anything',
  })
}
