import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { MUTATIONS, type Mutation } from './list.ts'

/**
 * Takes each rule of the protocol out of a copy of the tree, and shows that its test fails then.
 *   node test/mutations/run.ts [--only TEXT] [--live]
 * Exit code 0 only if every test passes with the rule and fails without it.
 */

const ROOT = resolve(import.meta.dirname, '../..')
const COPIED = ['src', 'test', 'proto', 'deploy', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts']
const SIMULATED_RUNS = 150
const TIMEOUT_MS = 10 * 60_000

type Verdict = 'noticed' | 'hangs' | 'SURVIVES' | 'DOES NOT APPLY' | 'BREAKS THE FILE' | 'FAILS WITH THE RULE'

function copyOfTheTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'isthmus-mutations-'))
  for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  // what set-up installed is shared: packages, and Kafka for the live tests
  for (const name of ['node_modules', '.isthmus']) symlinkSync(join(ROOT, name), join(copy, name))
  return copy
}

interface TestRun {
  readonly passed: number
  readonly failed: number
  readonly timedOut: boolean
}

function runTest(tree: string, { test, simulatedRuns }: Mutation): TestRun {
  const report = join(tree, 'report.json')
  rmSync(report, { force: true })
  const vitest = join(tree, 'node_modules/vitest/vitest.mjs')
  const name = test.name === '' ? [] : ['-t', test.name]
  const args = [vitest, 'run', test.file, ...name, '--reporter=json', `--outputFile=${report}`]
  const env = { ...process.env, SIM_RUNS: String(simulatedRuns ?? SIMULATED_RUNS) }
  const done = spawnSync(process.execPath, args, { cwd: tree, env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
  if (done.signal !== null) return { passed: 0, failed: 0, timedOut: true }
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>
  return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0, timedOut: false }
}

function judge(tree: string, mutation: Mutation): Verdict {
  const path = join(tree, mutation.file)
  const before = readFileSync(path, 'utf8')
  let text = before
  for (const [from, to] of mutation.edits) {
    if (text.split(from).length !== 2) return 'DOES NOT APPLY'
    text = text.replace(from, () => to)
  }
  writeFileSync(path, text)
  const without = runTest(tree, mutation)
  writeFileSync(path, before)
  if (without.timedOut) return 'hangs'
  if (without.failed === 0) return without.passed > 0 ? 'SURVIVES' : 'BREAKS THE FILE'
  return 'noticed'
}

function main(): void {
  const { values } = parseArgs({ options: { only: { type: 'string' }, live: { type: 'boolean', default: false } } })
  const chosen = MUTATIONS.filter(({ rule, live }) => (values.live || !live) && rule.includes(values.only ?? ''))
  const tree = copyOfTheTree()
  let bad = 0
  try {
    for (const mutation of chosen) {
      const startedMs = performance.now()
      const verdict = judge(tree, mutation)
      if (verdict !== 'noticed' && verdict !== 'hangs') bad++
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      console.log(`${verdict.padEnd(16)} ${seconds.padStart(6)} s  ${mutation.rule}`)
    }
    for (const [file, mutation] of new Map(chosen.map(one => [`${one.test.file} ${one.test.name}`, one]))) {
      const { failed, passed, timedOut } = runTest(tree, mutation)
      if (failed === 0 && passed > 0 && !timedOut) continue
      bad++
      console.log(`${'FAILS WITH THE RULE' satisfies Verdict}: ${file}`)
    }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
  console.log(`${chosen.length} rules, ${bad} not shown to be needed`)
  process.exitCode = bad === 0 ? 0 : 1
}

main()
