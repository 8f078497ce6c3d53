import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { MAX_FRAME_BYTES } from '../../src/route/batch-limits.ts'
import { batchOf } from '../support/link/batches.ts'
import { Clusters, eventually, Rig, Sessions } from '../support/link/rig.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const frameOf = (channel: number, from: number, next: number, batches: Buffer[]) => ({
  channel,
  from,
  next,
  leaderEpoch: 4,
  highWatermark: next,
  sourceTimeMs: 1_700_000_000_000,
  batches,
  relayed: false,
  gap: false,
})
const openAt = (offset: number, channel = 1, lane = 0) => ({
  channel,
  lane,
  topic: 'orders',
  partition: 0,
  start: { kind: 'position' as const, offset, leaderEpoch: -1 },
})

test('a link that is paused before it starts, as after a restart, dials nobody until it is resumed', async () => {
  const { port } = await rig.source()
  const { ingest, link } = await rig.link([port], { pausedFor: 'maintenance' })
  expect(link.status.state).toEqual({ kind: 'paused', reason: 'maintenance' })
  await new Promise(resolve => setImmediate(resolve))
  expect(link.status.counters.sessionsOpened).toBe(0)
  link.resume()
  await eventually(() => expect(ingest.session).toBeDefined())
})

describe('a session', () => {
  test('carries catalog, frames and progress one way and credit and acknowledgements the other', async () => {
    const { source, port } = await rig.source()
    const { ingest, link } = await rig.link([port])
    await eventually(() => expect(ingest.session).toBeDefined())
    const configs = { 'cleanup.policy': 'delete' }
    const orders = { name: 'orders', topicId: 'topic-id', partitions: 3, configs, maxMessageBytes: 2_000_000 }
    source.last.sink.catalog([orders], ['old'], true)
    ingest.session!.open(openAt(40))
    ingest.session!.credit(0, 1_000_000)
    await eventually(() => expect(ingest.openedMessages).toMatchObject([{ channel: 1, position: 40 }]))
    await eventually(() => expect(source.last.credits.get(0)).toBe(1_000_000))
    let written = 0
    const first = batchOf({ baseOffset: 38, records: 4 })
    const second = batchOf({ baseOffset: 42, records: 3 })
    source.last.sink.frame(frameOf(1, 40, 50, [Buffer.concat([first, second])]), () => written++)
    source.last.sink.progress({ channel: 1, next: 60, leaderEpoch: 2, highWatermark: 61, sourceTimeMs: 5 })
    await eventually(() => expect(ingest.progresses).toMatchObject([{ next: 60, highWatermark: 61 }]))
    expect(ingest.frames).toEqual([frameOf(1, 40, 50, [first, second])])
    expect(ingest.catalogs).toMatchObject([
      { topics: [{ name: 'orders', partitions: 3, configs }], removed: ['old'], full: true },
    ])
    ingest.session!.ack(1, 50)
    await eventually(() => expect(source.last.acks.get(1)).toBe(50))
    expect(written).toBe(1)
    expect(link.status).toMatchObject({
      state: { kind: 'up' },
      path: ['eu'],
      node: 'eu-1',
      breaker: { state: 'closed' },
    })
  })

  test('carries a batch larger than a frame in pieces and joins it again', async () => {
    const { source, port } = await rig.source()
    const { ingest } = await rig.link([port])
    source.onCredit = ({ sink }) => {
      sink.frame(frameOf(1, 0, 5, [batchOf({ baseOffset: 0, records: 5, bodyBytes: 3 * MAX_FRAME_BYTES })]), () => {})
      sink.frame(frameOf(1, 5, 6, [batchOf({ baseOffset: 5 })]), () => {})
    }
    ingest.onUp = session => {
      session.open(openAt(0))
      session.credit(0, 10 * MAX_FRAME_BYTES)
    }
    await eventually(() => expect(ingest.frames.length).toBe(2))
    expect(ingest.frames[0]!.batches[0]!.length).toBe(3 * MAX_FRAME_BYTES + 61)
    expect(ingest.frames[1]!.from).toBe(5)
  })

  test('tells nothing of a channel that ingest closed, and gives its bytes back as credit', async () => {
    const { source, port } = await rig.source()
    const { ingest } = await rig.link([port])
    await eventually(() => expect(ingest.session).toBeDefined())
    ingest.session!.open(openAt(0))
    ingest.session!.credit(0, 1_000)
    await eventually(() => expect(source.last.credits.get(0)).toBe(1_000))
    const batch = batchOf({ baseOffset: 0 })
    source.last.sink.frame(frameOf(1, 0, 1, [batch]), () => {})
    ingest.session!.close(1)
    await eventually(() => expect(source.last.credits.get(0)).toBe(1_000 + batch.length))
    expect(ingest.frames).toEqual([])
    expect(ingest.closedMessages).toEqual([])
    ingest.session!.open(openAt(7, 2))
    await eventually(() =>
      expect(ingest.openedMessages).toContainEqual(expect.objectContaining({ channel: 2, position: 7 })),
    )
  })

  test('stops cutting frames when the target does not read, and goes on afterwards', async () => {
    const { source, port } = await rig.source()
    const { ingest } = await rig.link([port])
    await eventually(() => expect(ingest.session).toBeDefined())
    ingest.session!.open(openAt(0))
    ingest.session!.credit(0, 2 ** 40)
    await eventually(() => expect(source.last.credits.get(0)).toBe(2 ** 40))
    const { sink } = source.last
    const batch = batchOf({ baseOffset: 0, bodyBytes: MAX_FRAME_BYTES - 61 })
    let next = 0
    let written = 0
    const fill = () => {
      let more = true
      while (more && next < 64) more = sink.frame(frameOf(1, next, ++next, [rebased(batch, next - 1)]), () => written++)
    }
    sink.onDrain(fill)
    fill()
    expect(next).toBeLessThan(10)
    await eventually(() => expect(ingest.frames.length).toBe(64))
    expect(written).toBe(64)
  })
})

describe('what the source may not say', () => {
  test.each([
    ['a hole', [frameOf(1, 5, 6, [batchOf({ baseOffset: 5 })])], 'internal'],
    ['an offset outside the range', [frameOf(1, 0, 2, [batchOf({ baseOffset: 7 })])], 'internal'],
    ['a wrong CRC', [frameOf(1, 0, 1, [broken(batchOf({ baseOffset: 0 }), 80)])], 'corrupt'],
    ['a torn batch', [frameOf(1, 0, 1, [batchOf({ baseOffset: 0 }).subarray(0, 90)])], 'internal'],
    ['a lying length', [frameOf(1, 0, 1, [broken(batchOf({ baseOffset: 0 }), 8)])], 'internal'],
    ['an old format', [frameOf(1, 0, 1, [broken(batchOf({ baseOffset: 0 }), 16, 1)])], 'old-format'],
    ['a control batch', [frameOf(1, 0, 1, [batchOf({ baseOffset: 0, attributes: 0x30 })])], 'internal'],
  ])('%s ends that channel alone', async (_name, frames, reason) => {
    const { source, port } = await rig.source()
    const { ingest, link } = await rig.link([port])
    await eventually(() => expect(ingest.session).toBeDefined())
    ingest.session!.open(openAt(0, 1))
    ingest.session!.open(openAt(0, 2))
    ingest.session!.credit(0, 1_000_000)
    await eventually(() => expect(source.last.credits.get(0)).toBe(1_000_000))
    for (const frame of frames) source.last.sink.frame(frame, () => {})
    source.last.sink.frame(frameOf(2, 0, 1, [batchOf({ baseOffset: 0 })]), () => {})
    await eventually(() => expect(ingest.frames).toMatchObject([{ channel: 2 }]))
    expect(ingest.closedMessages).toMatchObject([{ channel: 1, reason }])
    await eventually(() => expect(source.last.closes).toEqual([1]))
    expect(link.status.counters.protocolViolations).toBe(1)
    expect(ingest.downs).toEqual([])
  })

  test('more than the credit, or a channel nobody opened, ends the session', async () => {
    const { source, port } = await rig.source()
    const { ingest, link } = await rig.link([port])
    ingest.onUp = session => {
      session.open(openAt(0))
      session.credit(0, 100)
    }
    source.onCredit = ({ sink }) => {
      sink.frame(frameOf(1, 0, 1, [batchOf({ baseOffset: 0 })]), () => {})
      sink.frame(frameOf(1, 1, 2, [batchOf({ baseOffset: 1 })]), () => {})
    }
    await eventually(() => expect(ingest.downs[0]).toMatch(/credit of 100 is used/))
    source.onCredit = ({ sink }) => sink.frame(frameOf(9, 0, 1, [batchOf({ baseOffset: 0 })]), () => {})
    await eventually(() => expect(ingest.downs.at(-1)).toMatch(/channel 9, which is not open/))
    expect(link.status.counters.protocolViolations).toBeGreaterThanOrEqual(2)
  })
})

describe('what is refused at the handshake', () => {
  test('one cluster under two names', async () => {
    const { port, server } = await rig.source({
      identity: () => ({ dc: 'eu', node: 'eu-1', clusterId: 'cluster-us', paths: [{ origin: 'eu', via: [] }] }),
    })
    const { link } = await rig.link([port])
    await eventually(() =>
      expect(link.status.state).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/same Kafka cluster/) }),
    )
    expect(server.counters.sessionsRefused).toBe(1)
  })

  test('two clusters under one name', async () => {
    const knownClusters = new Clusters()
    knownClusters.remember('eu', 'the-cluster-before')
    const { port } = await rig.source()
    const { link } = await rig.link([port], { knownClusters })
    await eventually(() =>
      expect(link.status.state).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/was cluster the-cluster-before/),
      }),
    )
  })

  test('another data center than the one that was dialled', async () => {
    const { port } = await rig.source({
      identity: () => ({ dc: 'ap', node: 'ap-1', clusterId: 'cluster-ap', paths: [{ origin: 'eu', via: ['eu'] }] }),
    })
    const { link } = await rig.link([port])
    await eventually(() =>
      expect(link.status.state).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/answered by data center ap/),
      }),
    )
  })

  test('a path that would bring records back, at the source already', async () => {
    const observer = new Sessions()
    const { port } = await rig.source({
      identity: () => ({
        dc: 'eu',
        node: 'eu-1',
        clusterId: 'cluster-eu',
        paths: [{ origin: 'ap', via: ['ap', 'us'] }],
      }),
      observer,
    })
    const { link } = await rig.link([port], { origin: 'ap' })
    await eventually(() =>
      expect(link.status.state).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/back to where they were/),
      }),
    )
    expect(observer.refusals[0]?.[1]).toMatchObject({ code: 'LOOP_DETECTED' })
  })

  test('a data center that is no peer, with what to do about it', async () => {
    const seen = new Sessions()
    const { port } = await rig.source({ configured: () => false, observer: seen })
    const { link } = await rig.link([port], { observer: seen })
    await eventually(() =>
      expect(link.status.state).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/us is not a peer of eu/),
      }),
    )
    const refused = { code: 'PEER_REFUSED', message: expect.stringMatching(/us is not a peer of eu/) }
    expect(seen.refusals.slice(0, 2).map(([, error]) => error)).toMatchObject([refused, refused])
    expect(seen.openings).toEqual([])
  })

  test('what egress refuses', async () => {
    const { port, source } = await rig.source()
    source.onAccept = () => {
      throw new GatewayError('REGISTRY_BROKEN', 'process', 'the registry was lost')
    }
    const { link, ingest } = await rig.link([port])
    await eventually(() =>
      expect(link.status.state).toMatchObject({ kind: 'waiting', reason: expect.stringMatching(/registry was lost/) }),
    )
    expect(ingest.ups).toEqual([])
  })
})

describe('the replication port', () => {
  test('survives garbage and goes on serving', async () => {
    const { port, source } = await rig.source()
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(100_000, 0xff),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxxxx'),
    ]) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(bytes)
      await new Promise(resolve => socket.on('close', resolve).resume())
    }
    const { ingest } = await rig.link([port])
    await eventually(() => expect(ingest.session).toBeDefined())
    expect(source.sessions.length).toBe(1)
  })
})

function broken(batch: Buffer, at: number, byte = 0x77): Buffer {
  batch[at] = byte
  return batch
}

function rebased(batch: Buffer, baseOffset: number): Buffer {
  const copy = Buffer.from(batch)
  copy.writeBigInt64BE(BigInt(baseOffset), 0)
  return copy
}
