import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { BrokerConnection, type BrokerRequest } from '../../../src/kafka/connection.ts'
import type { KafkaFailure } from '../../../src/kafka/failure.ts'
import { openConnection } from '../../../src/kafka/handshake.ts'
import { MAX_GAP_MS, PauseGuard } from '../../../src/kafka/pause-guard.ts'
import { eventually } from '../../support/processes.ts'

const open: { close(): void }[] = []

afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

/** A server on loopback that answers as `behave` says; what it accepts ends with the test. */
async function server(behave: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const listening: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    behave(socket)
  })
  await new Promise<void>(resolve => listening.listen(0, '127.0.0.1', resolve))
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy()
      listening.close()
    },
  })
  return (listening.address() as { port: number }).port
}

const config = { brokers: [], clientId: 'test' }

async function connected(behave: (socket: Socket) => void, monotonicMs?: () => number) {
  const guard = new PauseGuard(monotonicMs)
  open.push(guard)
  const port = await server(behave)
  let ready = false
  const connection = new BrokerConnection({ nodeId: 1, host: '127.0.0.1', port }, config, guard, () => {
    ready = true
  })
  open.push({ close: () => connection.retire() })
  await eventually('connected', 5_000, () => ready)
  return { connection, guard }
}

interface Outcome {
  failure?: KafkaFailure
  value?: Buffer
}

function ask(connection: BrokerConnection, more: Partial<BrokerRequest<Buffer>> = {}): Outcome {
  const outcome: Outcome = {}
  connection.submit<Buffer>({
    apiKey: 3,
    apiVersion: 12,
    body: [Buffer.from('question')],
    taggedRequestHeader: false,
    taggedResponseHeader: false,
    parse: body => body,
    done: (failure, value) => Object.assign(outcome, { failure, value }),
    ...more,
  })
  return outcome
}

/** Answers every request with its own correlation id and `body`. */
function answering(body: (correlationId: number) => Buffer) {
  return (socket: Socket) => {
    let pending: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 4 && pending.length >= pending.readInt32BE(0) + 4) {
        const correlationId = pending.readInt32BE(8)
        pending = pending.subarray(pending.readInt32BE(0) + 4)
        socket.write(frame(correlationId, body(correlationId)))
      }
    })
  }
}

function frame(correlationId: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeInt32BE(body.length + 4, 0)
  header.writeInt32BE(correlationId, 4)
  return Buffer.concat([header, body])
}

test('requests are answered in order, each with its own body', async () => {
  const { connection } = await connected(answering(id => Buffer.from(`answer ${id}`)))
  const outcomes = Array.from({ length: 50 }, () => ask(connection))
  await eventually('all answers', 5_000, () => outcomes.every(outcome => outcome.value !== undefined))
  expect(outcomes.map(outcome => outcome.value?.toString())).toEqual(outcomes.map((_, i) => `answer ${i + 1}`))
})

test('a response in single bytes and an empty one arrive whole', async () => {
  const { connection } = await connected(socket => {
    socket.setNoDelay(true)
    socket.once('data', () => {
      const bytes = Buffer.concat([frame(1, Buffer.from('slow answer')), frame(2, Buffer.alloc(0))])
      const next = (at: number) => {
        if (at >= bytes.length) return
        socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1))
      }
      next(0)
    })
  })
  const outcomes = [ask(connection), ask(connection)]
  await eventually('both', 5_000, () => outcomes.every(outcome => outcome.value !== undefined))
  expect(outcomes.map(outcome => outcome.value?.toString())).toEqual(['slow answer', ''])
})

test.each([
  ['a length of 2 GB', Buffer.from('7fffffff00000001', 'hex')],
  ['a negative length', Buffer.from('ffffffff00000001', 'hex')],
  ['a length without a correlation id', Buffer.from('0000000200000001', 'hex')],
  ['another correlation id', frame(77, Buffer.from('x'))],
  [
    'an answer too many',
    Buffer.concat([frame(1, Buffer.from('x')), frame(2, Buffer.from('x')), frame(3, Buffer.from('x'))]),
  ],
  ['a TLS alert', Buffer.from('15030300020250', 'hex')],
])('%s ends the connection and fails what is outstanding as ambiguous', async (_name, bytes) => {
  const { connection } = await connected(socket => {
    socket.once('data', () => socket.end(bytes))
  })
  const outcomes = [ask(connection), ask(connection)]
  await eventually('closed', 5_000, () => connection.closedBy !== undefined)
  const settled = outcomes.every(({ failure, value }) => failure?.kind === 'ambiguous' || value !== undefined)
  expect(settled).toBe(true)
  const late = ask(connection)
  await eventually('refused', 5_000, () => late.failure?.kind === 'retriable')
})

test('a body that does not parse fails its request and ends the connection', async () => {
  const { connection } = await connected(answering(() => Buffer.from([1])))
  const parse = (body: Buffer) => {
    body.readInt32BE(0)
    return body
  }
  const outcome = ask(connection, { parse })
  await eventually('failed', 5_000, () => outcome.failure !== undefined)
  expect(outcome.failure).toMatchObject({ kind: 'ambiguous', code: 'MALFORMED_RESPONSE' })
})

test('a response over the limit of its request is not read', async () => {
  const { connection } = await connected(answering(() => Buffer.alloc(2_000)))
  const outcome = ask(connection, { maxResponseBytes: 1_000, allocate: () => expect.fail('allocated') })
  await eventually('failed', 5_000, () => outcome.failure !== undefined)
  expect(outcome.failure?.message).toContain('over the limit of 1000')
})

test('no answer in time ends the connection: what comes later belongs to nobody', async () => {
  const { connection } = await connected(() => {})
  const outcome = ask(connection, { timeoutMs: 500 })
  await eventually('timed out', 5_000, () => outcome.failure !== undefined)
  expect(outcome.failure).toMatchObject({ kind: 'ambiguous', code: 'REQUEST_TIMED_OUT_LOCALLY' })
  expect(connection.usable).toBe(false)
})

test('the time that a broker throttles does not count', async () => {
  const { connection, guard } = await connected(() => {})
  const outcome = ask(connection, { timeoutMs: 100 })
  connection.throttled(60_000)
  let ticks = 0
  guard.onTick(() => ticks++)
  await eventually('two ticks', 5_000, () => ticks >= 2)
  expect(outcome.failure).toBeUndefined()
})

test('a retired connection takes nothing new and closes after its last answer', async () => {
  const sockets: Socket[] = []
  const { connection } = await connected(socket => sockets.push(socket))
  const outcome = ask(connection)
  connection.retire()
  const refused = ask(connection)
  await eventually('refused', 5_000, () => refused.failure?.kind === 'retriable')
  expect(connection.closedBy).toBeUndefined()
  await eventually('accepted', 5_000, () => sockets.length === 1)
  sockets[0]?.write(frame(1, Buffer.from('last')))
  await eventually('closed', 5_000, () => connection.closedBy !== undefined)
  expect(outcome.value?.toString()).toBe('last')
})

test('after a pause of the process nothing is written, and everything outstanding is ambiguous', async () => {
  let nowMs = 0
  let written = 0
  const { connection, guard } = await connected(
    socket => socket.on('data', chunk => (written += chunk.length)),
    () => nowMs,
  )
  const before = ask(connection)
  await eventually('written', 5_000, () => written > 0)
  const beforeBytes = written
  nowMs = MAX_GAP_MS + 1
  const after = ask(connection)
  await eventually('both failed', 5_000, () => before.failure !== undefined && after.failure !== undefined)
  for (const { failure } of [before, after])
    expect(failure).toMatchObject({ kind: 'ambiguous', code: 'PROCESS_PAUSED' })
  expect(written).toBe(beforeBytes)
  expect(guard.check()).toBe(true)
})

test('the tick itself notices a pause when nothing is written', () => {
  let nowMs = 0
  const guard = new PauseGuard(() => nowMs)
  open.push(guard)
  const gaps: number[] = []
  guard.onPause(gapMs => gaps.push(gapMs))
  nowMs = MAX_GAP_MS
  guard.tick()
  expect(gaps).toEqual([])
  nowMs += MAX_GAP_MS + 5
  guard.tick()
  expect(gaps).toEqual([MAX_GAP_MS + 5])
})

test('a peer that is no broker is unreachable, with the reason', async () => {
  const guard = new PauseGuard()
  open.push(guard)
  const http = await server(socket => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  const silent = await server(socket => socket.on('data', () => socket.end()))
  for (const port of [http, silent]) {
    const failure = await openConnection({ nodeId: -1, host: '127.0.0.1', port }, config, guard).catch(error => error)
    expect(failure).toMatchObject({ kind: 'retriable', code: 'CONNECTION_FAILED' })
  }
})

test('a broker that is too old for our first request is named', async () => {
  const guard = new PauseGuard()
  open.push(guard)
  // ApiVersions v0 with error 35, as every broker answers a version that it does not know (KIP-511).
  const port = await server(answering(() => Buffer.from('002300000000', 'hex')))
  const failure = await openConnection({ nodeId: -1, host: '127.0.0.1', port }, config, guard).catch(error => error)
  expect(failure).toMatchObject({ name: 'GatewayError', code: 'BROKER_TOO_OLD' })
})
