import { afterEach, describe, expect, test } from 'vitest'
import { type HttpServer, httpServer, type ReadinessCheck } from '../../../src/telemetry/http.ts'
import { OVERFLOW_TOPIC, SERIES_MAX } from '../../../src/telemetry/instruments.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'

describe('metrics', () => {
  test('count, set and observe under their names and labels', async () => {
    const registry = createMetrics()
    const { recordsIn, lanesOwned, takeoverSeconds, memoryBound } = registry.metrics
    recordsIn.add({ link: 'eu->us', topic: 'orders' }, 3)
    recordsIn.add({ link: 'eu->us', topic: 'orders' })
    lanesOwned.set({ link: 'eu->us' }, 16)
    takeoverSeconds.observe({ link: 'eu->us' }, 0.02)
    memoryBound.set({}, 1e8)
    const text = await registry.text()
    expect(text).toContain('isthmus_link_records_in_total{link="eu->us",topic="orders"} 4')
    expect(text).toContain('isthmus_lanes_owned{link="eu->us"} 16')
    expect(text).toContain('isthmus_takeover_seconds_bucket{le="0.025",link="eu->us"} 1')
    expect(text).toContain('isthmus_memory_bound_bytes 100000000')
    expect(text).toContain('nodejs_eventloop_lag_seconds')
    expect(text).toContain('process_resident_memory_bytes')
  })

  test('gauges read from state are set at each scrape; one that fails leaves the others alone', async () => {
    const registry = createMetrics()
    let lanes = 0
    registry.onScrape(() => {
      throw new Error('no state yet')
    })
    registry.onScrape(() => registry.metrics.lanesOwned.set({ link: 'a->b' }, ++lanes))
    await registry.text()
    expect(await registry.text()).toContain('isthmus_lanes_owned{link="a->b"} 2')
  })

  test('topics without end make series with an end', async () => {
    const registry = createMetrics()
    for (let at = 0; at < SERIES_MAX + 100; at++) registry.metrics.gaps.add({ link: 'a->b', topic: `t${at}` })
    const series = (await registry.text()).split('\n').filter(line => line.startsWith('isthmus_gaps_total{'))
    expect(series).toHaveLength(SERIES_MAX + 1)
    expect(series.at(-1)).toBe(`isthmus_gaps_total{link="a->b",topic="${OVERFLOW_TOPIC}"} 100`)
  })
})

describe('over HTTP', () => {
  let server: HttpServer
  afterEach(() => server.stop(1000))

  async function serve(
    checks: readonly ReadinessCheck[],
  ): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
    server = httpServer({ listen: { host: '127.0.0.1', port: 0 }, metrics: createMetrics(), readiness: () => checks })
    await server.start()
    return (path, init) => fetch(`http://127.0.0.1:${server.port()}${path}`, init)
  }

  test('/metrics is what Prometheus reads', async () => {
    const response = await (await serve([]))('/metrics')
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await response.text()).toContain('# TYPE isthmus_link_records_in_total counter')
  })

  test('/healthz answers while the process does; /readyz only when every check holds, and says which does not', async () => {
    const get = await serve([
      { name: 'kafka', ok: true },
      { name: 'registry', ok: false, why: 'still reading' },
    ])
    expect((await get('/healthz')).status).toBe(200)
    const ready = await get('/readyz')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ status: 'not ready', checks: [{ ok: true }, { why: 'still reading' }] })
  })

  test('anything else is refused in words', async () => {
    const get = await serve([{ name: 'kafka', ok: true }])
    expect((await get('/readyz')).status).toBe(200)
    expect((await get('/')).status).toBe(404)
    expect((await get('/metrics', { method: 'POST', body: 'x' })).status).toBe(405)
    expect(await (await get('/metrics', { method: 'HEAD' })).text()).toBe('')
  })

  test('a port that is taken is one clear error', async () => {
    await serve([])
    const listen = { host: '127.0.0.1', port: server.port() }
    const second = httpServer({ listen, metrics: createMetrics(), readiness: () => [] })
    await expect(second.start()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('listen.http'),
    })
    await second.stop(100)
  })
})
