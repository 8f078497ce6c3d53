import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory of its own for the clusters of one test file; logs stay there when a test fails. */
export function testDir(name: string): string {
  return mkdtempSync(join(tmpdir(), `isthmus-${name}-`))
}
