import { topicNameProblem } from './names.ts'
import { compilePattern, type ReservedKind, reservedKind, type TopicPattern } from './topic-pattern.ts'

/**
 * Which topics cross. The target says what it wants (`include`, `exclude`), the source what it gives (`rules`).
 * Every decision is a value with its reason in words, for `check`, `explain` and the refused lists.
 */

export type RefusalReason = 'not-included' | 'excluded' | 'reserved' | 'never' | 'illegal-name' | 'residency'

export type TopicDecision =
  | { readonly kind: 'crosses'; readonly topic: string; readonly why: string }
  | { readonly kind: 'refused'; readonly topic: string; readonly reason: RefusalReason; readonly why: string }

/** What the target wants. Patterns as `topic-pattern.ts` reads them. */
export interface TopicWishes {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** Residency, enforced where the data is: topics that match may be fetched by these data centers only. */
export interface ResidencyRule {
  readonly match: string
  readonly allowDcs: readonly string[]
}

export interface ResidencyRules {
  readonly rules: readonly ResidencyRule[]
  /** For topics that no rule matches. */
  readonly otherwise: 'allow' | 'deny'
}

/** Kafka's own and ours: a copy of another cluster's would be wrong in every case, also when named. */
const NEVER_CROSS = ['__consumer_offsets', '__transaction_state', '__share_group_state', '__cluster_metadata']
const OWN_PREFIX = '__isthmus.'

/** Topics that exist for one cluster alone; no pattern can select them. */
export function neverCrosses(topic: string): boolean {
  return topic.startsWith(OWN_PREFIX) || NEVER_CROSS.includes(topic)
}

/** Compiles the target's wishes once; the result judges a topic name. `exclude` is stronger than `include`. */
export function wishFilter(wishes: TopicWishes): (topic: string) => TopicDecision {
  const include = wishes.include.map(compilePattern)
  const exclude = wishes.exclude.map(compilePattern)
  return topic => {
    const unfit = unfitForReplication(topic)
    if (unfit !== undefined) return unfit
    const excludedBy = exclude.find(pattern => pattern.matches(topic))
    if (excludedBy !== undefined) return refused(topic, 'excluded', `topics.exclude has "${excludedBy.text}"`)
    return included(topic, include)
  }
}

/**
 * Compiles the source's rules once; the result judges whether `dc` may fetch a topic. Every rule that matches must
 * allow it: rules only narrow, so their order does not matter and a broad one cannot undo a strict one.
 */
export function residencyFilter(residency: ResidencyRules): (topic: string, dc: string) => TopicDecision {
  const rules = residency.rules.map(rule => ({ pattern: compilePattern(rule.match), allowDcs: rule.allowDcs }))
  return (topic, dc) => {
    const unfit = unfitForReplication(topic)
    if (unfit !== undefined) return unfit
    const matching = rules.filter(rule => rule.pattern.matches(topic))
    const forbidding = matching.find(rule => !rule.allowDcs.includes(dc))
    if (forbidding !== undefined)
      return refused(
        topic,
        'residency',
        `the rule "${forbidding.pattern.text}" allows ${dcList(forbidding.allowDcs)}, not ${dc}`,
      )
    if (matching.length > 0) return crosses(topic, `the rule "${matching[0]!.pattern.text}" allows ${dc}`)
    if (residency.otherwise === 'allow') return crosses(topic, 'no rule restricts it')
    return refused(topic, 'residency', 'no rule allows it, and topics without a rule stay')
  }
}

function included(topic: string, include: readonly TopicPattern[]): TopicDecision {
  const matching = include.filter(pattern => pattern.matches(topic))
  if (matching.length === 0) return refused(topic, 'not-included', 'no pattern of topics.include matches')
  const kind = reservedKind(topic)
  const by = kind === undefined ? matching[0] : matching.find(pattern => pattern.names(kind))
  if (by !== undefined) return crosses(topic, `topics.include has "${by.text}"`)
  return refused(topic, 'reserved', `"${matching[0]!.text}" matches, but ${RESERVED_WORDS[kind!]}`)
}

const RESERVED_WORDS: Record<ReservedKind, string> = {
  internal: 'topics that begin with __ cross only where the pattern itself begins with __',
  retry: 'retry topics cross only where the pattern itself ends in .retry.<n> or .retry.*',
  'dead-letter': 'dead-letter topics cross only where the pattern itself ends in .dlq',
}

function unfitForReplication(topic: string): TopicDecision | undefined {
  if (neverCrosses(topic)) return refused(topic, 'never', 'it belongs to one cluster alone')
  const problem = topicNameProblem(topic)
  return problem === undefined ? undefined : refused(topic, 'illegal-name', problem)
}

function crosses(topic: string, why: string): TopicDecision {
  return { kind: 'crosses', topic, why }
}

function refused(topic: string, reason: RefusalReason, why: string): TopicDecision {
  return { kind: 'refused', topic, reason, why }
}

function dcList(dcs: readonly string[]): string {
  return dcs.length === 0 ? 'no data center' : dcs.join(', ')
}
