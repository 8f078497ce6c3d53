import type { StartAt } from './pull.ts'
import { compilePattern } from './topic-pattern.ts'

/** Where a link begins with a topic partition that it has never written, per topic pattern (design.md 3). */
export type StartPolicy = Exclude<StartAt, { readonly kind: 'position' }>

export interface StartRule {
  readonly match: string
  readonly start: StartPolicy
  /** The operator knows that the target holds records that are not ours, and wants them beside ours. */
  readonly confirmed: boolean
}

export interface StartChoice {
  readonly start: StartPolicy
  readonly confirmed: boolean
  /** Which rule chose, in words. */
  readonly why: string
}

export type StartVerdict =
  | { readonly kind: 'start'; readonly start: StartPolicy; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string; readonly hint: string }

/** What is wrong with a start as written (`earliest`, `latest`, or an ISO 8601 time), in words; undefined when nothing is. */
export function startProblem(text: string): string | undefined {
  if (text === 'earliest' || text === 'latest') return undefined
  if (ISO_TIME.test(text) && !Number.isNaN(Date.parse(text))) return undefined
  return `"${text}" is not a start: earliest, latest, or a time with its zone such as 2026-03-01T00:00:00Z`
}

/** Reads a start that `startProblem` has nothing against. */
export function parseStart(text: string): StartPolicy {
  if (text === 'earliest' || text === 'latest') return { kind: text }
  return { kind: 'timestamp', timestampMs: Date.parse(text) }
}

/** A time without a zone would mean another moment on every machine. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** Compiles the rules once; the first that matches decides, none: from the earliest record. */
export function startChooser(rules: readonly StartRule[]): (topic: string) => StartChoice {
  const compiled = rules.map(rule => ({ rule, pattern: compilePattern(rule.match) }))
  return topic => {
    const found = compiled.find(({ pattern }) => pattern.matches(topic))
    if (found === undefined) return { start: { kind: 'earliest' }, confirmed: false, why: 'the default' }
    return { start: found.rule.start, confirmed: found.rule.confirmed, why: `the start rule "${found.rule.match}"` }
  }
}

/**
 * May a first start go ahead? A target that already holds records that are not ours was probably mirrored before:
 * starting at the earliest record would double them, so that needs the operator's word.
 */
export function judgeFirstStart(topic: string, choice: StartChoice, targetHoldsForeignRecords: boolean): StartVerdict {
  if (choice.start.kind === 'earliest' && targetHoldsForeignRecords && !choice.confirmed)
    return {
      kind: 'refused',
      why: `the target topic ${topic} already holds records that this gateway did not write; starting at the earliest record could double them`,
      hint: `set start: latest (or a time) for ${topic}, or confirm it with confirmed: true if the records there are others`,
    }
  return { kind: 'start', start: choice.start, why: choice.why }
}
