import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { watchEvents } from '../../../src/admin/watch.ts'
import { createEventLog } from '../../../src/telemetry/events.ts'

interface Written {
  readonly event: { readonly sequence: number; readonly message: string }
  readonly missed: number
}

/** A stream whose client reads nothing until `drain`. */
function stuckStream(request: object) {
  const written: Written[] = []
  const stream = Object.assign(new EventEmitter(), {
    request: { afterSequence: 0, backlog: 0, names: [], once: false, ...request },
    blocked: false,
    written,
    write(message: Written) {
      written.push(message)
      return !stream.blocked
    },
    end() {
      stream.emit('close')
    },
  })
  return stream
}

const watch = (stream: object, events: Parameters<typeof watchEvents>[1]) =>
  watchEvents(stream as Parameters<typeof watchEvents>[0], events, () => 'info')

test('a client that does not read costs a bounded number of events and is told how many it missed', () => {
  const events = createEventLog(() => 0)
  const stream = stuckStream({})
  watch(stream, events)
  stream.blocked = true
  for (let at = 1; at <= 5001; at++) events.record('gap', `${at}`)
  expect(stream.written).toHaveLength(1)
  stream.blocked = false
  stream.emit('drain')
  expect(stream.written).toHaveLength(1001)
  expect(stream.written[1]).toMatchObject({ missed: 4000, event: { sequence: 4002 } })
  expect(stream.written.slice(2).every(({ missed }) => missed === 0)).toBe(true)
  expect(stream.written.at(-1)?.event.sequence).toBe(5001)
})

test('a client that went away is forgotten', () => {
  const events = createEventLog(() => 0)
  const stream = stuckStream({ backlog: -1 })
  watch(stream, events)
  stream.emit('cancelled')
  events.record('gap', 'nobody')
  expect(stream.written).toEqual([])
})
