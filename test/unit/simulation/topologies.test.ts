import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { routeProblems } from '../../../src/route/paths.ts'
import { type Random, seededRandom } from '../../support/model/random.ts'
import { anything, chain, hopsTo, mesh, RoutedWorld, ring, star, type Topology } from '../../support/model/topology.ts'

const NAMES = ['eu', 'us', 'ap', 'sa', 'af']
const SHAPES: Readonly<Record<string, (dcs: readonly string[], random: Random) => Topology>> = {
  mesh,
  star,
  chain,
  ring,
  anything,
}
const ROUGH_STEPS = 150

const runs = fc.record({
  seed: fc.nat(),
  shape: fc.constantFrom(...Object.keys(SHAPES)),
  /** What a reload changes it to in the middle; the same shape: nothing. */
  laterShape: fc.constantFrom(...Object.keys(SHAPES)),
  dcs: fc.integer({ min: 2, max: NAMES.length }),
  maxReplicationHops: fc.integer({ min: 1, max: 4 }),
})

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!
}

/** Sessions open, end and carry records in any order. */
function rough(world: RoutedWorld, random: Random): void {
  for (let step = 0; step < ROUGH_STEPS; step++) {
    const dc = pick(random, world.dcs)
    const origin = pick(random, world.dcs)
    const act = random.below(10)
    if (act === 0) world.produce(dc)
    else if (act === 1) world.closeSession(dc, origin)
    else if (act < 5 && !world.isOpen(dc, origin)) world.openSession(dc, origin)
    else world.pull(dc, origin)
  }
}

/** Every node dials until nothing new opens, and pulls until nothing new comes. */
function calm(world: RoutedWorld): void {
  const pairs = world.dcs.flatMap(dc => world.dcs.map(origin => [dc, origin] as const))
  for (let round = 0; round <= world.dcs.length; round++)
    for (const [dc, origin] of pairs) if (!world.isOpen(dc, origin)) world.openSession(dc, origin)
  while (pairs.map(([dc, origin]) => world.pull(dc, origin)).some(Boolean)) {}
}

function expectOneCopyEach(world: RoutedWorld, first: Topology, topology: Topology, maxReplicationHops: number): void {
  let missing = 0
  for (const dc of world.dcs)
    for (const origin of world.dcs) {
      const copies = world.logs.get(dc)!.filter(record => record.origin === origin)
      const sequences = copies.map(copy => copy.sequence)
      expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
      for (const copy of copies) expect(copy.hops).toBeLessThanOrEqual(maxReplicationHops)
      if (dc === origin) expect(copies).toEqual([])
      const hops = hopsTo(topology, dc, origin)
      const reachable = dc !== origin && hops !== undefined && hops <= maxReplicationHops
      if (reachable) missing += world.producedBy(origin) - copies.length
    }
  // only what came to a relay by a longer way, before a reload, may be over the limit
  expect(missing).toBeLessThanOrEqual(topology === first ? 0 : world.dropped)
}

describe('over topologies of up to five data centers', () => {
  test('each record arrives at most once and in order, exactly once where the paths lead within the hops', () => {
    fc.assert(
      fc.property(runs, ({ seed, shape, laterShape, dcs, maxReplicationHops }) => {
        const random = seededRandom(seed)
        const names = NAMES.slice(0, dcs)
        const topology = SHAPES[shape]!(names, random)
        const later = shape === laterShape ? topology : SHAPES[laterShape]!(names, random)
        const world = new RoutedWorld(topology, maxReplicationHops, random)
        rough(world, random)
        world.reconfigure(later)
        rough(world, random)
        calm(world)
        expectOneCopyEach(world, topology, later, maxReplicationHops)
      }),
      { numRuns: 500 },
    )
  })

  test.each(Object.keys(SHAPES).filter(shape => shape !== 'anything'))(
    'a %s of five is what a config may say, and reaches everyone',
    shape => {
      const topology = SHAPES[shape]!(NAMES, seededRandom(1))
      for (const dc of NAMES) expect(routeProblems(dc, topology[dc]!)).toEqual([])
      const world = new RoutedWorld(topology, NAMES.length - 1, seededRandom(1))
      for (const dc of NAMES) for (let i = 0; i < 10; i++) world.produce(dc)
      calm(world)
      for (const dc of NAMES) expect(world.logs.get(dc)).toHaveLength(40)
    },
  )

  test('relays in a circle never come to life', () => {
    const circle: Topology = {
      eu: [],
      us: [{ dc: 'eu', via: ['ap'], dialable: true }],
      ap: [{ dc: 'eu', via: ['us'], dialable: true }],
    }
    const world = new RoutedWorld(circle, 3, seededRandom(1))
    world.produce('eu')
    calm(world)
    expect(world.logs.get('us')).toEqual([])
    expect([...world.refusals.keys()]).toEqual(['not-carried'])
  })

  test('records never come back to where they were', () => {
    const there = { dc: 'eu', via: [], dialable: true }
    const world = new RoutedWorld({ eu: [{ dc: 'us', via: [], dialable: true }], us: [there] }, 3, seededRandom(1))
    world.produce('eu')
    world.produce('us')
    calm(world)
    expect(world.logs.get('eu')!.map(record => record.origin)).toEqual(['us'])
    expect(world.logs.get('us')!.map(record => record.origin)).toEqual(['eu'])
  })
})
