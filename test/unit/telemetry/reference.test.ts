import { expect, test } from 'vitest'
import { METRIC_SPECS } from '../../../src/telemetry/metrics.ts'
import { metricsReference } from '../../../src/telemetry/reference.ts'

test('docs/metrics.md says what is declared (vitest -u writes it anew)', async () => {
  await expect(metricsReference()).toMatchFileSnapshot('../../../docs/metrics.md')
})

test('names follow the conventions of Prometheus', () => {
  for (const { name, kind, labels } of Object.values(METRIC_SPECS)) {
    expect(name).toMatch(/^isthmus_[a-z_]+$/)
    expect(name.endsWith('_total'), name).toBe(kind === 'counter')
    expect(name, 'base units only').not.toMatch(/_(ms|milliseconds|kb|mb|minutes)(_|$)/)
    for (const label of labels) expect(['offset', 'partition', 'address', 'message']).not.toContain(label)
  }
})
