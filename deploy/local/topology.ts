import type { Topology } from './types.ts'

/** How a data center gets another's records: from itself, or from the neighbour named. */
export type Route = { readonly kind: 'direct' } | { readonly kind: 'via'; readonly neighbour: string }

const DIRECT: Route = { kind: 'direct' }

/** The route by which `dc` fetches the records of `origin`. Data centers stand in a row or circle in the order given. */
export function routeTo(topology: Topology, dcs: readonly string[], dc: string, origin: string): Route {
  const here = dcs.indexOf(dc)
  const there = dcs.indexOf(origin)
  const step = stepTowards(topology, dcs.length, here, there)
  return step === there ? DIRECT : { kind: 'via', neighbour: dcs[step]! }
}

/** Index of the data center to ask. */
function stepTowards(topology: Topology, count: number, here: number, there: number): number {
  switch (topology) {
    case 'mesh':
      return there
    case 'hub':
    case 'star':
      return here === 0 ? there : 0
    case 'chain':
      return here < there ? here + 1 : here - 1
    case 'ring': {
      const forward = (there - here + count) % count
      return forward <= count - forward ? (here + 1) % count : (here - 1 + count) % count
    }
  }
}
