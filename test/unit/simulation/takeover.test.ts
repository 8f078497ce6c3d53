import { expect, test } from 'vitest'
import { SCENARIOS } from '../../support/model/scenarios.ts'
import { type Scenario, simulate } from '../../support/model/world.ts'

/**
 * Takeover with the real state machines on a modelled broker, network and time. A failure names its seed:
 *   SIM_SEED=123 npx vitest run test/unit/simulation -t 'unclean elections'
 * More than the short form: SIM_RUNS=2000, optionally from another first seed: SIM_FIRST_SEED=50000.
 */
const RUNS_PER_SCENARIO = 40
const MS_PER_RUN_AT_MOST = 2_000

test.each(Object.entries(SCENARIOS))(
  'each record once and in order at every moment: %s',
  async (_name, scenario) => {
    for (const seed of seeds()) expect(await simulate(seed, scenario)).toMatchObject({ seed, problem: undefined })
  },
  seeds().length * MS_PER_RUN_AT_MOST,
)

test('a seed determines a run to the last step', async () => {
  const scenario = Object.values(SCENARIOS)[0] as Scenario
  expect(await simulate(7, scenario)).toEqual(await simulate(7, scenario))
})

function seeds(): number[] {
  const { SIM_SEED, SIM_RUNS, SIM_FIRST_SEED } = process.env
  if (SIM_SEED !== undefined) return [Number(SIM_SEED)]
  const first = Number(SIM_FIRST_SEED ?? 1)
  return Array.from({ length: Number(SIM_RUNS ?? RUNS_PER_SCENARIO) }, (_, i) => first + i)
}
