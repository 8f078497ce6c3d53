import { describe, expect, test } from 'vitest'
import type { GatewayError } from '../../../src/errors.ts'
import {
  advertisedPaths,
  describePath,
  judgePath,
  linkRoutes,
  type PeerRoute,
  pathThrough,
  requirePath,
  routeProblems,
} from '../../../src/route/paths.ts'
import type { Path } from '../../../src/route/pull.ts'

const ask = (
  fetcher: string,
  server: string,
  origin: string,
  serverPaths: readonly Path[],
  maxReplicationHops = 3,
) => ({
  fetcher,
  server,
  origin,
  serverPaths,
  maxReplicationHops,
})

describe('paths', () => {
  test('an origin is fetched from itself in one hop', () => {
    const verdict = judgePath(ask('us', 'eu', 'eu', advertisedPaths('eu', [])))
    expect(verdict).toEqual({ kind: 'usable', path: { origin: 'eu', via: ['eu'] } })
  })

  test('along a chain every hop adds the data center that was passed', () => {
    let path: Path = { origin: 'a', via: [] }
    for (const [server, fetcher] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'd'],
    ] as const) {
      const verdict = judgePath(ask(fetcher, server, 'a', advertisedPaths(server, [path])))
      expect(verdict).toEqual({ kind: 'usable', path: pathThrough(server, path) })
      path = pathThrough(server, path)
    }
    expect(path.via).toEqual(['a', 'b', 'c'])
    expect(describePath(path, 'd')).toBe('a->d via b, c')
    expect(judgePath(ask('e', 'd', 'a', advertisedPaths('d', [path]))).kind).toBe('too-long')
  })

  test('a path that comes back to where the records were is a loop', () => {
    expect(judgePath(ask('eu', 'us', 'eu', [{ origin: 'eu', via: ['eu'] }])).kind).toBe('loop')
    expect(judgePath(ask('ap', 'us', 'eu', [{ origin: 'eu', via: ['eu', 'ap'] }])).kind).toBe('loop')
    expect(judgePath(ask('us', 'us', 'eu', [{ origin: 'eu', via: ['eu'] }])).kind).toBe('loop')
    expect(judgePath(ask('ap', 'us', 'eu', [{ origin: 'eu', via: ['eu', 'us'] }])).kind).toBe('loop')
  })

  test('two relays that wait for each other never start', () => {
    expect(judgePath(ask('us', 'ap', 'eu', advertisedPaths('ap', []))).kind).toBe('not-carried')
    expect(judgePath(ask('ap', 'us', 'eu', advertisedPaths('us', []))).kind).toBe('not-carried')
  })

  test('a peer that invents a beginning is not believed', () => {
    expect(judgePath(ask('us', 'ap', 'eu', [{ origin: 'eu', via: [] }])).kind).toBe('not-carried')
    expect(judgePath(ask('us', 'ap', 'eu', [{ origin: 'eu', via: ['cn'] }])).kind).toBe('not-carried')
  })

  test('a refused path is an error with its code', () => {
    const code = (run: () => unknown) => {
      try {
        run()
      } catch (error) {
        return (error as GatewayError).code
      }
    }
    expect(code(() => requirePath(ask('eu', 'us', 'eu', [{ origin: 'eu', via: ['eu'] }])))).toBe('LOOP_DETECTED')
    expect(code(() => requirePath(ask('eu', 'us', 'ap', [])))).toBe('PEER_REFUSED')
  })
})

describe('routes of a config', () => {
  const peer = (dc: string, via: string[] = [], dialable = true): PeerRoute => ({ dc, via, dialable })

  test('each peer is one link; via says whom to dial', () => {
    expect(linkRoutes([peer('hub'), peer('ap', ['hub'], false)])).toEqual([
      { origin: 'hub', dial: 'hub' },
      { origin: 'ap', dial: 'hub' },
    ])
  })

  test.each([
    [[peer('us')], /this data center itself/],
    [[peer('eu'), peer('eu')], /listed twice/],
    [[peer('eu', [], false)], /no addresses/],
    [[peer('eu', ['us'])], /this data center itself/],
    [[peer('eu', ['eu'])], /leave via out/],
    [[peer('eu', ['cn'])], /not among the peers/],
    [[peer('eu', ['ap']), peer('ap', ['eu'], false)], /ap has no addresses/],
  ])('%j is refused', (peers, problem) => {
    expect(
      routeProblems('us', peers)
        .map(found => found.problem)
        .join('; '),
    ).toMatch(problem)
  })
})
