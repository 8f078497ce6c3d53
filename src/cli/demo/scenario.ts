import type { LocalHandle } from '../../../deploy/local/types.ts'

/** Something that happens during the demo. */
export interface Act {
  /** When, as a share of the running time. */
  readonly at: number
  readonly text: string
  /** What is broken from now on, until an act with the same name mends it. */
  readonly breaks?: string
  readonly mends?: string
  readonly run: (local: LocalHandle) => Promise<void>
}

export const DEMO_DCS = ['eu', 'us', 'ap']

const NODE = 'us-1'
const PATH = 'eu-ap'

export const SCENARIO: readonly Act[] = [
  {
    at: 0.2,
    text: `kill -9 of gateway ${NODE}`,
    breaks: `gateway ${NODE} is dead`,
    run: local => local.kill(NODE),
  },
  {
    at: 0.35,
    text: `gateway ${NODE} starts again`,
    mends: `gateway ${NODE} is dead`,
    run: local => local.start(NODE),
  },
  {
    at: 0.5,
    text: `WAN path ${PATH} is cut`,
    breaks: `WAN ${PATH} is cut`,
    run: async local => local.wan(PATH, { kind: 'cut' }),
  },
  {
    at: 0.75,
    text: `WAN path ${PATH} is healed`,
    mends: `WAN ${PATH} is cut`,
    run: async local => local.wan(PATH, { kind: 'heal' }),
  },
]
