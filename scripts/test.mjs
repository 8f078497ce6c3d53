// `npm test [-- FILTER…]`: static checks, then unit and integration tests. The last line says `N passed, N failed`.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { home, root } from './setup/shell.mjs'
import { staticChecks } from './static-checks.mjs'

const report = join(home, 'test-report.json')
const tally = { passed: 0, failed: 0, skipped: 0 }

function checkStatically() {
  for (const { name, run } of staticChecks) {
    const startedMs = Date.now()
    const ok = run()
    tally[ok ? 'passed' : 'failed']++
    console.log(`${ok ? ' ✓' : ' ✗'} ${name} ${Date.now() - startedMs}ms`)
  }
}

/** Progress goes to the terminal as it comes, the numbers into a file. */
function runVitest(filters) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...filters], { cwd: root, stdio: 'inherit' })
  // Ctrl-C reaches both; the child ends its clusters and this process still prints the sum.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise(resolve => child.on('close', code => resolve(code ?? 1)))
}

function count(exitCode) {
  const before = tally.failed
  let result
  try {
    result = JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    // It ended before it could report: what did not run did not pass.
    tally.failed++
    return
  }
  for (const file of result.testResults) {
    const states = file.assertionResults.map(each => each.status)
    tally.passed += states.filter(state => state === 'passed').length
    tally.failed += states.filter(state => state === 'failed').length
    tally.skipped += states.filter(state => state !== 'passed' && state !== 'failed').length
    // A file that could not be loaded, or whose hooks failed, holds no failed test.
    if (file.status === 'failed' && !states.includes('failed')) tally.failed++
  }
  // Errors outside of any test, such as a rejection that nobody handled.
  if (exitCode !== 0 && tally.failed === before) tally.failed++
}

mkdirSync(home, { recursive: true })
rmSync(report, { force: true })
checkStatically()
count(await runVitest(process.argv.slice(2)))
const skipped = tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`
console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`)
process.exitCode = tally.failed === 0 ? 0 : 1
