import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALL_LANES } from '../../src/link/breaker-policy.ts'
import { TcpProxy } from '../support/link/proxy.ts'
import { eventually, Rig } from '../support/link/rig.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

async function proxied(port: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(port)
  rig.onClose(() => proxy.close())
  return proxy
}

describe('a peer with two nodes', () => {
  test('a node that dies is replaced by the other at once', async () => {
    const first = await rig.source({ node: 'eu-1' })
    const second = await rig.source({ node: 'eu-2' })
    const { ingest, link } = await rig.link([first.port, second.port])
    await eventually(() => expect(ingest.session).toBeDefined())
    const [used, other] = ingest.session!.peer.node === 'eu-1' ? [first, 'eu-2'] : [second, 'eu-1']
    await used.server.stop(0)
    await eventually(() => expect(ingest.session?.peer.node).toBe(other))
    expect(ingest.downs.length).toBe(1)
    expect(link.status.breaker.state).toBe('closed')
    expect(ingest.ups.map(({ lanes }) => lanes)).toEqual([ALL_LANES, ALL_LANES])
  })

  test('a node that swallows everything is replaced, and the breaker stays closed', async () => {
    const first = await rig.source({ node: 'eu-1' })
    const second = await rig.source({ node: 'eu-2' })
    const proxies = [await proxied(first.port), await proxied(second.port)]
    const { ingest, link } = await rig.link(proxies.map(({ port }) => port))
    await eventually(() => expect(ingest.session).toBeDefined())
    const stuck = ingest.session!.peer.node
    proxies[stuck === 'eu-1' ? 0 : 1]!.mode = 'swallow'
    await eventually(() => expect(ingest.session?.peer.node).toMatch(stuck === 'eu-1' ? 'eu-2' : 'eu-1'), 15_000)
    expect(link.status.counters.stalls).toBe(1)
    expect(link.status.breaker.state).toBe('closed')
  })
})

describe('a peer with one node', () => {
  test('that is down at start is dialled until it is there', async () => {
    const { port, source, server } = await rig.source()
    const proxy = await proxied(port)
    proxy.mode = 'refuse'
    const { ingest, link } = await rig.link([proxy.port])
    await eventually(() => expect(link.status.breaker.state).toBe('open'))
    expect(link.status.state).toMatchObject({ kind: 'waiting', reason: expect.stringMatching(/\): \w+ ECONN\w+ \S+$/) })
    expect(link.status.breaker).toMatchObject({
      reason: expect.stringMatching(/\): \w+ ECONN\w+ \S+$/),
      nextTryMs: expect.any(Number),
    })
    proxy.mode = 'pass'
    await eventually(() => expect(ingest.session).toBeDefined())
    expect(source.sessions.length).toBe(1)
    expect(server.sessions).toMatchObject([{ peer: 'us', node: 'us-1', origin: 'eu', path: ['eu'] }])
  })

  test('comes back with one lane, then with twice as many, then with all', async () => {
    const { port } = await rig.source()
    const proxy = await proxied(port)
    proxy.mode = 'refuse'
    const { ingest, link } = await rig.link([proxy.port], { settings: { slowStartMs: 2_000, lanes: 4 } })
    await eventually(() => expect(link.status.breaker.state).toBe('open'))
    proxy.mode = 'pass'
    await eventually(() => expect(link.status.breaker.state).toBe('closed'), 15_000)
    expect(ingest.ups.map(({ lanes }) => lanes)).toEqual([1])
    expect(ingest.laneSteps).toEqual([2, ALL_LANES])
  })

  test('a black hole opens the breaker, and the healed path closes it', async () => {
    const { port } = await rig.source()
    const proxy = await proxied(port)
    const { ingest, link } = await rig.link([proxy.port])
    await eventually(() => expect(ingest.session).toBeDefined())
    proxy.mode = 'swallow'
    await eventually(() => expect(link.status.breaker.state).toBe('open'), 15_000)
    expect(link.status.breaker.reason).toMatch(/no answer/)
    expect(ingest.downs.length).toBe(1)
    const dials = proxy.accepted
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(dials))
    expect(ingest.ups.length).toBe(1)
    proxy.mode = 'pass'
    await eventually(
      () => expect(link.status).toMatchObject({ state: { kind: 'up' }, breaker: { state: 'closed' } }),
      15_000,
    )
  })

  test('one that answers but moves nothing of what it owes opens the breaker', async () => {
    const { port } = await rig.source()
    let owes = true
    const progress = { outstanding: () => owes, lastMovedMonotonicMs: () => 0 }
    const { ingest, link } = await rig.link([port], { progress })
    await eventually(() => expect(link.status.breaker.reason).toMatch(/nothing of what was asked for moved/), 15_000)
    expect(ingest.downs[0]).toMatch(/stands still/)
    owes = false
    await eventually(() => expect(link.status.breaker.state).toBe('closed'), 20_000)
  })

  test('connections that are reset again and again are replaced each time', async () => {
    const { port } = await rig.source()
    const proxy = await proxied(port)
    const { ingest } = await rig.link([proxy.port])
    for (let round = 1; round <= 4; round++) {
      await eventually(() => {
        expect(ingest.ups.length).toBe(round)
        expect(ingest.session).toBeDefined()
      })
      proxy.cut()
      await eventually(() => expect(ingest.downs.length).toBe(round))
    }
    await eventually(() => expect(ingest.session).toBeDefined())
  })
})

describe('an operator', () => {
  test('can pause and resume a link', async () => {
    const { port } = await rig.source()
    const { ingest, link } = await rig.link([port])
    await eventually(() => expect(ingest.session).toBeDefined())
    link.pause('maintenance')
    await eventually(() => expect(ingest.downs).toEqual([expect.stringMatching(/paused: maintenance/)]))
    expect(link.status.state).toEqual({ kind: 'paused', reason: 'maintenance' })
    link.resume()
    await eventually(() => expect(ingest.session).toBeDefined())
  })

  test('stops a link whose peer cannot be reached at once', async () => {
    const { port } = await rig.source()
    const proxy = await proxied(port)
    proxy.mode = 'swallow'
    const { link, ingest } = await rig.link([proxy.port])
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(0))
    await link.stop(1_000)
    expect(link.status.state.kind).toBe('stopped')
    expect(ingest.ups).toEqual([])
  })
})
