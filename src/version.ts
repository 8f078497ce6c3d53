import { readFileSync } from 'node:fs'

/** The version of the package that this file belongs to, in a checkout and when built. */
export const VERSION = packageVersion(['../package.json', '../../package.json'])

function packageVersion(places: readonly string[]): string {
  for (const place of places) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // The other place.
    }
  }
  return 'unknown'
}
