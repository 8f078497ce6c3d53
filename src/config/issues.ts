import type { z } from 'zod'
import { knownKeys, outlineAt } from './outline.ts'
import type { ConfigPath } from './problems.ts'
import { nearest } from './suggest.ts'

type Issue = z.core.$ZodIssue

/** One zod issue in the words of the file: what is wrong and what to write. One per unknown key. */
export function describeIssue(issue: Issue): { path: ConfigPath; message: string }[] {
  const path = issue.path as ConfigPath
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(key => ({ path: [...path, key], message: unknownKey(key, knownKeys(path)) }))
  if (isMissing(issue)) return [{ path, message: missing(path) }]
  return [{ path, message: sentence(issue) }]
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known)
  if (meant !== undefined) return `there is no such key; did you mean ${meant}?`
  return `there is no such key; here may stand ${known.join(', ')}`
}

function isMissing(issue: Issue): boolean {
  if (issue.code === 'custom') return issue.params?.missing === true
  return (issue.code === 'invalid_type' || issue.code === 'invalid_value') && (issue.input ?? null) === null
}

function missing(path: ConfigPath): string {
  const about = outlineAt(path)
  const example = about?.example === undefined ? '' : ` Write for example ${String(path.at(-1))}: ${about.example}`
  return `is missing.${about?.description === undefined ? '' : ` ${about.description}`}${example}`
}

const NOUN: Record<string, string> = {
  object: 'a mapping (key: value)',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

function sentence(issue: Issue): string {
  const input = JSON.stringify(issue.input)?.slice(0, 60)
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${NOUN[issue.expected] ?? issue.expected}, not ${input}`
    case 'invalid_value': {
      const meant = nearest(String(issue.input), issue.values.map(String))
      return `${input} is not known; write ${choice(issue.values.map(String))}${meant ? ` (did you mean ${meant}?)` : ''}`
    }
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'array'
        ? `must have at most ${issue.maximum} entries`
        : `must be at most ${issue.maximum}`
    case 'invalid_format':
      return outlineAt(issue.path as ConfigPath)?.secret
        ? 'is not understood; it must look like the example in docs/config.md'
        : `${input} is not understood; see docs/config.md`
    default:
      return issue.message
  }
}

function choice(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
