import { ChannelCredentials, Client, type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeResponse, encodeRequest } from '../../src/link/codec.ts'
import { MAX_CHANNELS, MAX_LANES } from '../../src/link/limits.ts'
import type { SourceSays, TargetSays } from '../../src/link/messages.ts'
import { PULL_METHOD } from '../../src/link/wire.ts'
import { eventually, Rig, type SourceNode } from '../support/link/rig.ts'

let rig: Rig
let node: SourceNode
beforeEach(async () => {
  rig = new Rig()
  node = await rig.source()
})
afterEach(() => rig.close())

/** A target that says what it likes. */
class Hostile {
  readonly heard: SourceSays[] = []
  error: ServiceError | undefined
  readonly #stream: ClientDuplexStream<Buffer, Buffer>

  constructor(port: number) {
    const client = new Client(`127.0.0.1:${port}`, ChannelCredentials.createInsecure())
    const { path, requestSerialize, responseDeserialize } = PULL_METHOD
    this.#stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    this.#stream.on('data', (bytes: Buffer) => this.heard.push(decodeResponse(bytes)))
    this.#stream.on('error', (error: ServiceError) => {
      this.error = error
    })
    rig.onClose(() => {
      this.#stream.cancel()
      client.close()
    })
  }

  say(says: TargetSays): void {
    this.#stream.write(encodeRequest(says))
  }

  bytes(bytes: Buffer): void {
    this.#stream.write(bytes)
  }
}

const hello = {
  minVersion: 1,
  maxVersion: 1,
  dc: 'us',
  node: 'us-1',
  clusterId: 'cluster-us',
  origin: 'eu',
  paths: [],
  maxBatchBytes: 1,
}
const open = (channel: number, lane = 0): TargetSays => ({
  kind: 'open',
  open: { channel, lane, topic: 'orders', partition: 0, start: { kind: 'earliest' } },
})

async function greeted(): Promise<Hostile> {
  const target = new Hostile(node.port)
  target.say({ kind: 'hello', hello })
  await eventually(() => expect(target.heard[0]?.kind).toBe('welcome'))
  return target
}

async function isRefused(target: Hostile, code: status, details: RegExp): Promise<void> {
  await eventually(() => expect(target.error).toBeDefined(), 30_000)
  expect(target.error!.details).toMatch(details)
  expect(status[target.error!.code]).toBe(status[code])
  const { ingest, link } = await rig.link([node.port])
  await eventually(() => expect(ingest.session).toBeDefined())
  await link.stop(1_000)
  await eventually(() => expect(node.server.sessions).toEqual([]))
}

describe('a target that breaks the protocol ends its own session and nothing else', () => {
  test('by bytes that are no message', async () => {
    const target = new Hostile(node.port)
    target.bytes(Buffer.alloc(1_000, 0xff))
    await isRefused(target, status.INVALID_ARGUMENT, /1000 bytes that are no message/)
    expect(node.server.counters.protocolViolations).toBe(1)
  })

  test('by anything before Hello', async () => {
    const target = new Hostile(node.port)
    target.say(open(1))
    await isRefused(target, status.INVALID_ARGUMENT, /open before Hello/)
  })

  test('by a Hello that is too large', async () => {
    const target = new Hostile(node.port)
    const paths = Array.from({ length: 500 }, (_, index) => ({
      origin: `dc-${index}`,
      via: Array(20).fill('x'.repeat(32)),
    }))
    target.say({ kind: 'hello', hello: { ...hello, paths } })
    await isRefused(target, status.RESOURCE_EXHAUSTED, /larger than max/)
  })

  test('by a protocol version that nobody speaks here', async () => {
    const target = new Hostile(node.port)
    target.say({ kind: 'hello', hello: { ...hello, minVersion: 7, maxVersion: 9 } })
    await isRefused(target, status.PERMISSION_DENIED, /the peer speaks 7 to 9, this gateway 1 to 1/)
  })

  test('by a second Hello', async () => {
    const target = await greeted()
    target.say({ kind: 'hello', hello })
    await isRefused(target, status.INVALID_ARGUMENT, /a second Hello/)
    expect(node.source.sessions[0]!.endedBecause).toMatch(/second Hello/)
  })

  test('by using a channel twice, or one that was never opened', async () => {
    const twice = await greeted()
    twice.say(open(1))
    twice.say(open(1))
    await isRefused(twice, status.INVALID_ARGUMENT, /channel 1 again/)
    const never = await greeted()
    never.say({ kind: 'ack', channel: 5, next: 1 })
    await isRefused(never, status.INVALID_ARGUMENT, /channel 5, which was never opened/)
  })

  test('by a flood of channels or lanes', async () => {
    const channels = await greeted()
    for (let channel = 1; channel <= MAX_CHANNELS + 1; channel++) channels.say(open(channel))
    await isRefused(channels, status.RESOURCE_EXHAUSTED, /more than 32768 channels/)
    expect(node.source.sessions[0]!.opens.length).toBe(MAX_CHANNELS)
    const lanes = await greeted()
    for (let lane = 0; lane <= MAX_LANES; lane++) lanes.say({ kind: 'credit', lane, bytes: 1 })
    await isRefused(lanes, status.RESOURCE_EXHAUSTED, /more than 1024 lanes/)
  })

  test('by saying nothing at all', async () => {
    const target = new Hostile(node.port)
    target.bytes(Buffer.alloc(0))
    await isRefused(target, status.INVALID_ARGUMENT, /unknown before Hello/)
  })
})
