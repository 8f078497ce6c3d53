import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePorts } from '../../../deploy/local/ports.ts'
import { Wan } from '../../../deploy/local/wan.ts'
import { eventually } from '../../support/processes.ts'

const DEADLINE_MS = 10_000

let wan: Wan
let door: number
let echo: Server
const served = new Set<Socket>()

beforeEach(async () => {
  echo = createServer(socket => {
    served.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  wan = new Wan(['eu', 'us-east'], 0)
  door = (await freePorts(1))[0]!
  await wan.addDoor('eu', 'us-east', door, (echo.address() as AddressInfo).port)
})

afterEach(async () => {
  await wan.close()
  for (const socket of served) socket.destroy()
  echo.close()
})

interface Caller {
  readonly socket: Socket
  readonly received: () => string
  isClosed: boolean
}

async function dial(): Promise<Caller> {
  let text = ''
  const socket = connect(door, '127.0.0.1')
  const caller: Caller = { socket, received: () => text, isClosed: false }
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    caller.isClosed = true
  })
  await new Promise<unknown>(resolve => {
    socket.once('connect', resolve)
    socket.once('close', resolve)
  })
  return caller
}

async function says(caller: Caller, text: string): Promise<void> {
  caller.socket.write(text)
  await eventually(`${text} comes back`, DEADLINE_MS, () => caller.received().endsWith(text))
}

test('bytes come out unchanged and in order, with delay and rate too', async () => {
  wan.change('eu-us-east', { kind: 'delay', roundTripMs: 20 })
  wan.change('eu-us-east', { kind: 'rate', bytesPerSecond: 4_000_000 })
  const caller = await dial()
  const sent = Array.from({ length: 20_000 }, (_, line) => `line ${line}\n`).join('')
  caller.socket.write(sent)
  await eventually('everything came back', DEADLINE_MS, () => caller.received().length >= sent.length)
  expect(caller.received()).toBe(sent)
})

test('no byte is faster than the delay', async () => {
  wan.change('us-east-eu', { kind: 'delay', roundTripMs: 100 })
  const caller = await dial()
  const startedMs = performance.now()
  await says(caller, 'x')
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(99)
})

test('the end of a stream arrives after its last byte', async () => {
  wan.change('eu-us-east', { kind: 'delay', roundTripMs: 20 })
  const caller = await dial()
  caller.socket.end('last words')
  await eventually('closed', DEADLINE_MS, () => caller.isClosed)
  expect(caller.received()).toBe('last words')
  expect(wan.state().every(({ connections }) => connections === 0)).toBe(true)
})

test('a cut resets what is open and refuses what comes, until it is healed', async () => {
  const caller = await dial()
  await says(caller, 'before')
  wan.change('eu-us-east', { kind: 'cut' })
  await eventually('reset', DEADLINE_MS, () => caller.isClosed)
  const second = await dial()
  await eventually('refused', DEADLINE_MS, () => second.isClosed)
  wan.change('eu-us-east', { kind: 'heal' })
  await says(await dial(), 'after')
})

test('in a black hole connections stay, nothing arrives, and a close is not noticed; healing resets what lost bytes', async () => {
  const caller = await dial()
  await says(caller, 'before')
  wan.change('eu-us-east', { kind: 'blackhole' })
  caller.socket.write('swallowed')
  const second = await dial()
  second.socket.write('swallowed too')
  wan.change('eu-us-east', { kind: 'heal' })
  await eventually('both are reset', DEADLINE_MS, () => caller.isClosed && second.isClosed)
  expect(caller.received()).toBe('before')
  expect(second.received()).toBe('')
})

test('a one-way black hole lets the other direction through', async () => {
  const caller = await dial()
  await says(caller, 'before')
  wan.change('us-east-eu', { kind: 'blackhole' }, { oneWay: true })
  caller.socket.write('heard there, not answered')
  const thereBytes = () => wan.state().find(({ from }) => from === 'eu')!.bytes
  await eventually('delivered', DEADLINE_MS, () => thereBytes() === 'beforeheard there, not answered'.length)
  expect(wan.state().map(({ from, state }) => `${from} ${state}`)).toEqual(['eu open', 'us-east blackhole'])
  expect(caller.received()).toBe('before')
})

test('resets come again and again until they are stopped', async () => {
  wan.change('eu-us-east', { kind: 'reset-every', intervalMs: 50 })
  for (let round = 0; round < 2; round++) {
    const caller = await dial()
    await eventually('reset', DEADLINE_MS, () => caller.isClosed)
  }
  wan.change('eu-us-east', { kind: 'reset-every', intervalMs: null })
  await says(await dial(), 'stays')
})

test('a path that does not exist is refused with those that do', () => {
  expect(() => wan.change('eu-mars', { kind: 'heal' })).toThrow('there is no path eu-mars; there are eu-us-east')
})
