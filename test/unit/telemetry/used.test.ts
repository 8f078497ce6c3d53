import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { EVENTS } from '../../../src/telemetry/events.ts'
import { METRIC_SPECS } from '../../../src/telemetry/metrics.ts'

const SRC = resolve(import.meta.dirname, '../../../src')
const DECLARATIONS = ['telemetry/metrics.ts', 'telemetry/events.ts', 'telemetry/reference.ts']

const code = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts') && !DECLARATIONS.includes(name))
  .map(name => readFileSync(join(SRC, name), 'utf8'))
  .join('\n')

test('every metric that is declared is set somewhere', () => {
  const unset = Object.keys(METRIC_SPECS).filter(key => !new RegExp(`\\b${key}\\.(add|set|observe)\\(`).test(code))
  expect(unset).toEqual([])
})

test('every event that is declared is recorded somewhere', () => {
  expect(Object.keys(EVENTS).filter(name => !code.includes(`'${name}'`))).toEqual([])
})
