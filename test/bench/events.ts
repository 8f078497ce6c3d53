import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { type SeededRandom, seededRandom } from '../support/ledger-random.ts'

/** Bytes of one event: the size that bench figures are stated for. */
export const EVENT_BYTES = 242

/** Different lines in the payload file. One 64 KiB batch holds 270 of them, so repeats within a batch do not flatter a codec. */
const DISTINCT_EVENTS = 100_000

const ACTIONS = ['page_view', 'add_to_cart', 'checkout', 'search', 'sign_in', 'sign_out', 'rate_item', 'share_item']
const AGENTS = ['web/124.0.2 (linux)', 'web/124.0.2 (macos)', 'ios/17.5.1 (phone)', 'android/14.0 (phone)']

/** A user_action event, version 2, as JSON text of exactly EVENT_BYTES bytes; compressed with lz4 about a quarter of that. */
export function userActionEvent(random: SeededRandom): string {
  const hex = random.bytes(18).toString('hex')
  const head =
    `{"type":"user_action","version":2,"id":"${hex.slice(0, 24)}","user":"u-${10_000_000 + random.below(80_000_000)}"` +
    `,"session":"${hex.slice(24, 36)}","ip":"10.${random.below(256)}.${random.below(256)}.${random.below(256)}"` +
    `,"action":"${random.pick(ACTIONS)}","agent":"${random.pick(AGENTS)}","note":"`
  return `${head}${'-'.repeat(EVENT_BYTES - head.length - 2)}"}`
}

/** Writes the payload file that ProducerPerformance picks its lines from. */
export async function writePayloadFile(path: string, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const file = createWriteStream(path)
  let lines = ''
  for (let i = 0; i < DISTINCT_EVENTS; i++) {
    lines += `${userActionEvent(random)}${i + 1 < DISTINCT_EVENTS ? '\n' : ''}`
    if (lines.length > 1 << 20) {
      file.write(lines)
      lines = ''
    }
  }
  file.end(lines)
  await finished(file)
}
