/** One pattern of a config: a literal name, a glob over the whole name (`*` any run, `?` one character), or `/regular expression/`. */
export interface TopicPattern {
  /** As written in the config. */
  readonly text: string
  readonly matches: (topic: string) => boolean
  /** Whether the pattern spells a reserved kind of topic, so that it may select it. */
  readonly names: (kind: ReservedKind) => boolean
}

/**
 * Topics that no catch-all selects:
 * - `internal`: `__*`. Named by a pattern that itself begins with `__`
 * - `retry`: `*.retry.<n>`. Named by a pattern that ends in `.retry.<n>`, `.retry.*` or `.retry.?`
 * - `dead-letter`: `*.dlq`. Named by a pattern that ends in `.dlq`
 *
 * A literal name is the plainest case of each. A regular expression never names them: what it spells cannot be seen.
 */
export type ReservedKind = 'internal' | 'retry' | 'dead-letter'

/** Whether a topic is of a reserved kind, by its name. */
export function reservedKind(topic: string): ReservedKind | undefined {
  if (topic.startsWith('__')) return 'internal'
  if (/\.retry\.\d+$/.test(topic)) return 'retry'
  if (topic.endsWith('.dlq')) return 'dead-letter'
  return undefined
}

const PATTERN_CHARACTERS = /^[A-Za-z0-9._*?-]+$/
const PATTERN_MAX_CHARACTERS = 1000

/** What is wrong with a pattern, in words; undefined when nothing is. */
export function patternProblem(text: string): string | undefined {
  if (text.length === 0) return 'a topic pattern cannot be empty'
  if (text.length > PATTERN_MAX_CHARACTERS) return `a topic pattern has at most ${PATTERN_MAX_CHARACTERS} characters`
  if (isExpression(text)) {
    try {
      new RegExp(text.slice(1, -1), 'u')
      return undefined
    } catch (error) {
      return `${text} is not a regular expression: ${(error as Error).message}`
    }
  }
  if (text.startsWith('/')) return `"${text}" begins like a regular expression but does not end with /`
  if (!PATTERN_CHARACTERS.test(text))
    return `"${text}" can match no topic: names have letters, digits, dots, underscores and dashes; * and ? are wildcards`
  return undefined
}

/**
 * Compiles a pattern that `patternProblem` has nothing against. A glob must match the whole name. A regular expression
 * is JavaScript's, with the `u` flag, and matches anywhere: anchor it with ^ and $ to match the whole name.
 */
export function compilePattern(text: string): TopicPattern {
  if (isExpression(text)) {
    const expression = new RegExp(text.slice(1, -1), 'u')
    return { text, matches: topic => expression.test(topic), names: () => false }
  }
  const glob = new RegExp(`^${text.replace(/[*?]|[^*?]+/g, globPart)}$`)
  return { text, matches: topic => glob.test(topic), names: kind => globNames(text, kind) }
}

function isExpression(text: string): boolean {
  return text.length > 2 && text.startsWith('/') && text.endsWith('/')
}

function globPart(part: string): string {
  if (part === '*') return '.*'
  if (part === '?') return '.'
  return part.replace(/[\\^$.|+()[\]{}-]/g, '\\$&')
}

function globNames(text: string, kind: ReservedKind): boolean {
  switch (kind) {
    case 'internal':
      return text.startsWith('__')
    case 'retry':
      return /\.retry\.(?:\d+|\*|\?)$/.test(text)
    case 'dead-letter':
      return text.endsWith('.dlq')
  }
}
