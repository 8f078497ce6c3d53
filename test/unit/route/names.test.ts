import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  dcNameProblem,
  nodeNameProblem,
  originTopic,
  targetTopic,
  templateProblem,
  topicNameProblem,
} from '../../../src/route/names.ts'
import { parseTransactionalId, transactionalId } from '../../../src/route/transactional-id.ts'

const dcNames = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
const topicNames = fc.stringMatching(/^[A-Za-z0-9._-]{1,60}$/).filter(name => topicNameProblem(name) === undefined)

describe('names', () => {
  test.each(['eu', 'us-east-1', 'a', '3', 'x'.repeat(32)])('%s is a data center name', name => {
    expect(dcNameProblem(name)).toBeUndefined()
  })

  test.each(['', 'EU', 'eu.west', '-eu', 'eu-', 'eu west', 'x'.repeat(33), 'eu/us'])(
    '%j is not a data center name',
    name => {
      expect(dcNameProblem(name)).toContain('not a data center name')
    },
  )

  test('host names are node names', () => {
    expect(nodeNameProblem('ip-10-0-0-1.eu-west-1.compute.Internal')).toBeUndefined()
    expect(nodeNameProblem('node 1')).toContain('not a node name')
  })

  test.each(['', '.', '..', 'a/b', 'ü', 'x'.repeat(250)])('%j is not a topic name', name => {
    expect(topicNameProblem(name)).toBeDefined()
  })

  test.each(['{origin}', '{topic}{topic}', '{origin}{origin}{topic}', '{topic}/x', '{dc}.{topic}', ''])(
    'the template %j is refused',
    template => expect(templateProblem(template)).toBeDefined(),
  )

  test('a template renames, and its inverse finds the original', () => {
    const templates = fc.constantFrom('{topic}', '{origin}.{topic}', 'replica-{topic}.of.{origin}', '{topic}-{origin}')
    fc.assert(
      fc.property(templates, dcNames, topicNames, (template, origin, topic) => {
        expect(originTopic(template, origin, targetTopic(template, origin, topic))).toBe(topic)
      }),
    )
  })

  test('a name of another origin is not taken for one of ours', () => {
    expect(originTopic('{origin}.{topic}', 'eu', 'us.orders')).toBeUndefined()
    expect(originTopic('{origin}.{topic}', 'eu', 'eu.')).toBeUndefined()
  })

  test('a dollar sign in the template is a character of no topic name, never a replacement pattern', () => {
    expect(templateProblem('$&{topic}')).toBeDefined()
  })

  test('a name that becomes too long is refused for that topic', () => {
    expect(() => targetTopic('{origin}.{topic}', 'eu', 'x'.repeat(248))).toThrow(/251 characters/)
  })

  test('transactional ids are taken apart again, whatever dots a topic has', () => {
    fc.assert(
      fc.property(dcNames, topicNames, fc.nat(), fc.nat(), (origin, topic, partition, generation) => {
        const writer = { origin, topic, partition, generation }
        expect(parseTransactionalId(transactionalId(writer))).toEqual(writer)
      }),
    )
  })

  test.each(['isthmus.eu.orders.0', 'other.eu.orders.0.0', 'isthmus.eu.orders.0.01', 'isthmus.eu.orders.x.0', ''])(
    '%j is no transactional id of ours',
    id => expect(parseTransactionalId(id)).toBeUndefined(),
  )
})
