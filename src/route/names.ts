import { GatewayError } from '../errors.ts'

/**
 * Names of data centers, nodes and topics, and the template that names a replica.
 * The rules are those of the places a name is written to: record headers, transactional.ids, topic names, metric labels.
 */

/** No dots: `isthmus.<origin>.<topic>…` and `{origin}.{topic}` must be taken apart again. */
const DC_NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/
/** Host names are the default, so dots and capitals are allowed. */
const NODE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/
/** Kafka's `Topic.LEGAL_CHARS` and `MAX_NAME_LENGTH`. */
const TOPIC_CHARACTERS = /^[A-Za-z0-9._-]+$/
const TOPIC_NAME_MAX_CHARACTERS = 249

/** Replicas carry the name of the original. */
export const SAME_NAME_TEMPLATE = '{topic}'

/** What is wrong with a data center name, in words; undefined when nothing is. */
export function dcNameProblem(name: string): string | undefined {
  if (DC_NAME.test(name)) return undefined
  return `"${name}" is not a data center name: 1 to 32 lower-case letters, digits and inner dashes (eu, us-east-1)`
}

/** What is wrong with a node name, in words; undefined when nothing is. */
export function nodeNameProblem(name: string): string | undefined {
  if (NODE_NAME.test(name)) return undefined
  return `"${name}" is not a node name: 1 to 128 letters, digits, dots, underscores and dashes, beginning and ending with a letter or digit`
}

/** What Kafka would refuse about a topic name (`Topic.validate`), in words; undefined when nothing. */
export function topicNameProblem(name: string): string | undefined {
  if (name.length === 0) return 'a topic name cannot be empty'
  if (name === '.' || name === '..') return `"${name}" cannot be a topic name`
  if (name.length > TOPIC_NAME_MAX_CHARACTERS)
    return `"${name.slice(0, 40)}…" has ${name.length} characters, a topic name has at most ${TOPIC_NAME_MAX_CHARACTERS}`
  if (!TOPIC_CHARACTERS.test(name))
    return `"${name}" is not a topic name: letters, digits, dots, underscores and dashes only`
  return undefined
}

/**
 * What is wrong with a rename template, in words; undefined when nothing is.
 * `{topic}` exactly once, `{origin}` at most once, else characters of a topic name.
 */
export function templateProblem(template: string): string | undefined {
  const topics = template.split('{topic}').length - 1
  const origins = template.split('{origin}').length - 1
  if (topics !== 1) return `the template "${template}" must contain {topic} exactly once`
  if (origins > 1) return `the template "${template}" may contain {origin} once`
  const literal = template.replace('{topic}', '').replace('{origin}', '')
  if (literal.length > 0 && !TOPIC_CHARACTERS.test(literal))
    return `the template "${template}" contains characters that a topic name cannot have`
  return undefined
}

/**
 * The name that `topic` of `origin` has in this cluster. `{topic}` keeps it (the default), `{origin}.{topic}` is what
 * MirrorMaker 2 does. Throws CONFIG_INVALID for a template that `templateProblem` objects to, and TOPIC_REFUSED
 * where the result is not a topic name.
 */
export function targetTopic(template: string, origin: string, topic: string): string {
  if (template === SAME_NAME_TEMPLATE) return topic
  const problem = templateProblem(template)
  if (problem !== undefined) throw new GatewayError('CONFIG_INVALID', 'process', problem)
  const name = template.replace('{origin}', () => origin).replace('{topic}', () => topic)
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined)
    throw new GatewayError(
      'TOPIC_REFUSED',
      'topic',
      `${origin}/${topic} would be renamed by "${template}": ${nameProblem}`,
      {
        hint: 'shorten the template, or exclude the topic',
      },
    )
  return name
}

/** The inverse of `targetTopic` for a known origin; undefined where no topic of that origin can have this name. */
export function originTopic(template: string, origin: string, name: string): string | undefined {
  if (template === SAME_NAME_TEMPLATE) return name
  const filled = template.replace('{origin}', () => origin)
  const at = filled.indexOf('{topic}')
  const prefix = filled.slice(0, at)
  const suffix = filled.slice(at + '{topic}'.length)
  if (at < 0 || name.length <= prefix.length + suffix.length) return undefined
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return undefined
  return name.slice(prefix.length, name.length - suffix.length)
}

/** A link as operators read it: `eu->us`. */
export function linkName(origin: string, dc: string): string {
  return `${origin}->${dc}`
}
