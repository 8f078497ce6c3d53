import { routeTo } from '../../deploy/local/topology.ts'
import type { Topology } from '../../deploy/local/types.ts'
import type { PartitionCase } from './ledger-judge.ts'

/** How many gateways records pass in a topology: one for each data center they enter on their way. */
export function hopsIn(topology: Topology, dcs: readonly string[]): PartitionCase['hops'] {
  return (origin, target) => {
    let hops = 0
    for (let at = target; at !== origin; hops++) {
      const route = routeTo(topology, dcs, at, origin)
      at = route.kind === 'direct' ? origin : route.neighbour
      if (hops > dcs.length) throw new Error(`${topology}: records of ${origin} go round in circles before ${target}`)
    }
    return hops
  }
}
