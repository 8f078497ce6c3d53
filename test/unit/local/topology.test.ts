import fc from 'fast-check'
import { expect, test } from 'vitest'
import { routeTo } from '../../../deploy/local/topology.ts'
import { TOPOLOGIES } from '../../../deploy/local/types.ts'

const DCS = ['eu', 'us', 'ap', 'sa', 'af']

/** Data centers that a record passes from `origin` to `dc`, both included. */
function journey(topology: (typeof TOPOLOGIES)[number], dcs: string[], dc: string, origin: string): string[] {
  const passed = [dc]
  for (let here = dc; here !== origin; ) {
    const route = routeTo(topology, dcs, here, origin)
    here = route.kind === 'direct' ? origin : route.neighbour
    passed.push(here)
    if (passed.length > dcs.length) throw new Error(`goes round in circles: ${passed.join(' <- ')}`)
  }
  return passed
}

test('in every topology each data center is reached from each other without passing one twice', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TOPOLOGIES), fc.integer({ min: 2, max: 5 }), (topology, size) => {
      const dcs = DCS.slice(0, size)
      for (const dc of dcs)
        for (const origin of dcs)
          if (dc !== origin) {
            const passed = journey(topology, dcs, dc, origin)
            expect(new Set(passed).size).toBe(passed.length)
          }
    }),
  )
})

test.each([
  ['mesh', 'us', 'ap', undefined],
  ['hub', 'us', 'ap', 'eu'],
  ['star', 'us', 'eu', undefined],
  ['chain', 'eu', 'af', 'us'],
  ['chain', 'af', 'eu', 'sa'],
  ['ring', 'eu', 'af', undefined],
  ['ring', 'eu', 'sa', 'af'],
] as const)('in a %s %s gets the records of %s via %s', (topology, dc, origin, neighbour) => {
  const expected = neighbour === undefined ? { kind: 'direct' } : { kind: 'via', neighbour }
  expect(routeTo(topology, DCS, dc, origin)).toEqual(expected)
})
