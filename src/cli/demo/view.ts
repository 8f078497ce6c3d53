import { type DcCounts, isExact } from '../../../deploy/local/compare.ts'
import type { MergedLink } from '../links-merge.ts'
import { count, seconds, table } from '../text.ts'

/** What the demo shows at one moment. */
export interface Moment {
  readonly elapsedMs: number
  readonly totalMs: number
  readonly phase: string
  readonly produced: number
  readonly links: readonly MergedLink[]
  /** What is broken just now. */
  readonly broken: readonly string[]
}

/** Where the demo is shown. `event` is said once and stays; `moment` replaces the one before. */
export interface DemoView {
  event(text: string): void
  moment(moment: Moment): void
  close(): void
}

const LINES_EVERY_MS = 5_000
const SHOWN_EVENTS = 6
const MAX_WIDTH = 110
const RED = '\u001b[31m'
const PLAIN = '\u001b[0m'
const CLEAR_TO_END = '\u001b[J'
const cursorUp = (lines: number) => (lines === 0 ? '' : `\u001b[${lines}F`)

/** A picture that stays in place, for a terminal. */
export function liveView(out: NodeJS.WriteStream): DemoView {
  const events: string[] = []
  let last: Moment | undefined
  let drawn = 0
  const draw = () => {
    const lines =
      last === undefined ? events.slice(-SHOWN_EVENTS) : picture(last, events, Math.min(out.columns ?? 80, MAX_WIDTH))
    out.write(`${cursorUp(drawn)}${CLEAR_TO_END}${lines.join('\n')}\n`)
    drawn = lines.length
  }
  return {
    event: text => {
      events.push(`${new Date().toLocaleTimeString('en-GB')}  ${text}`)
      draw()
    },
    moment: moment => {
      last = moment
      draw()
    },
    close: () => {
      drawn = 0
    },
  }
}

function picture(moment: Moment, events: readonly string[], width: number): string[] {
  const { elapsedMs, totalMs, phase, produced, broken, links } = moment
  const elapsed = seconds(Math.floor(elapsedMs / 1000))
  const clock = elapsedMs <= totalMs ? `${elapsed} of ${seconds(totalMs / 1000)}` : elapsed
  const trouble = broken.length === 0 ? 'everything is up' : `${RED}broken now: ${broken.join(', ')}${PLAIN}`
  const columns = [
    { title: 'LINK', of: ({ link }: MergedLink) => link },
    { title: 'RECORDS/S', of: ({ rate }: MergedLink) => count(rate.recordsPerSecond), align: 'right' as const },
    { title: 'LAG', of: ({ lag }: MergedLink) => count(lag.records), align: 'right' as const },
    { title: 'AGE', of: ({ lag }: MergedLink) => seconds(lag.seconds), align: 'right' as const },
    { title: 'STATE', of: ({ state }: MergedLink) => state },
    { title: 'BREAKER', of: ({ breaker }: MergedLink) => breaker.state },
  ]
  const head = `isthmus demo  ${phase}  ${clock}  ${count(produced)} records produced`
  return [head, trouble, '', ...table(columns, links, width), '', ...events.slice(-SHOWN_EVENTS)]
}

/** One line every few seconds and one for each event, for files and pipes. */
export function lineView(say: (line: string) => void): DemoView {
  let lastMs = Number.NEGATIVE_INFINITY
  return {
    event: text => say(text),
    moment: ({ elapsedMs, phase, produced, links, broken }) => {
      if (elapsedMs - lastMs < LINES_EVERY_MS) return
      lastMs = elapsedMs
      const each = links.map(
        ({ link, rate, lag }) => `${link} ${count(rate.recordsPerSecond)}/s lag ${count(lag.records)}`,
      )
      const trouble = broken.length === 0 ? '' : `  [${broken.join(', ')}]`
      say(`${phase} ${Math.floor(elapsedMs / 1000)}s  ${count(produced)} records  ${each.join('  ')}${trouble}`)
    },
    close: () => {},
  }
}

/** The comparison of the clusters as a table with a last word. */
export function verdictLines(dcs: ReadonlyMap<string, DcCounts>, produced: number): string[] {
  const number = (title: string, of: (counts: DcCounts) => number) => ({
    title,
    of: ([, counts]: [string, DcCounts]) => count(of(counts)),
    align: 'right' as const,
  })
  const columns = [
    { title: 'DC', of: ([dc]: [string, DcCounts]) => dc },
    number('EXPECTED', each => each.expected),
    number('PRESENT', each => each.present),
    number('MISSING', each => each.missing),
    number('DUPLICATED', each => each.duplicated),
    number('OUT OF ORDER', each => each.outOfOrder),
    number('DIFFERING', each => each.differing),
    number('UNEXPECTED', each => each.unexpected),
  ]
  const exact = [...dcs.values()].every(isExact)
  const word = exact
    ? `EXACT: all ${count(produced)} records stand in every data center, once, in order, byte for byte.`
    : 'NOT EXACT: see the table.'
  return ['', ...table(columns, [...dcs], MAX_WIDTH), '', word]
}
