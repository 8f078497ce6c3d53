import { mkdirSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'

const TEST_RUNS = resolve(import.meta.dirname, '../../.isthmus/test')

/** The directory for the clusters of one test, emptied now: the logs of its last run stay, those before go. */
export function testDir(name: string): string {
  const dir = resolve(TEST_RUNS, name)
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  return dir
}
