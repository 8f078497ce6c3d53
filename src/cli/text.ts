/** Numbers, sizes and tables as a person reads them. */

const SIZE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** 0 B, 950 B, 2.5 kB, 300 kB, 1.2 GB: powers of 1000, at most three digits. */
export function bytes(value: number): string {
  let unit = 0
  let scaled = value
  while (scaled >= 999.5 && unit < SIZE_UNITS.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${unit === 0 || scaled >= 99.95 ? Math.round(scaled) : trim(scaled)} ${SIZE_UNITS[unit]}`
}

/** 0, 17, 1,200, 4,000,000. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** 0s, 0.4s, 12s, 3m 20s, 2h 5m, 4d 3h: at most two units. */
export function seconds(value: number): string {
  if (value < 10) return `${trim(value)}s`
  const whole = Math.round(value)
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return pair(whole, 60, 'm', 1, 's')
  if (whole < 86_400) return pair(whole, 3600, 'h', 60, 'm')
  return pair(whole, 86_400, 'd', 3600, 'h')
}

function pair(value: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((value % big) / small)
  return `${Math.floor(value / big)}${bigUnit}${rest === 0 ? '' : ` ${rest}${smallUnit}`}`
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '')
}

/** `1 node`, `3 nodes`. */
export function several(amount: number, noun: string, plural = `${noun}s`): string {
  return `${count(amount)} ${amount === 1 ? noun : plural}`
}

export interface Column<Row> {
  readonly title: string
  readonly of: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** May be cut, with an ellipsis, when the table is wider than the terminal. */
  readonly shrinks?: boolean
}

const GAP = '  '
const SHRUNK_MIN = 10

/** Lines of a table no wider than `width` where shrinking columns allow; no trailing blanks. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  indent = '',
): string[] {
  const cells = [columns.map(column => column.title), ...rows.map(row => columns.map(column => column.of(row)))]
  const widths = columns.map((_, at) => Math.max(...cells.map(line => line[at]!.length)))
  let over = indent.length + widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width
  columns.forEach((column, at) => {
    if (!column.shrinks || over <= 0) return
    const cut = Math.min(over, Math.max(0, widths[at]! - SHRUNK_MIN))
    widths[at]! -= cut
    over -= cut
  })
  return cells.map(line =>
    (indent + line.map((cell, at) => clip(cell, widths[at]!, columns[at]!.align ?? 'left')).join(GAP)).trimEnd(),
  )
}

function clip(cell: string, width: number, align: 'left' | 'right'): string {
  const cut = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell
  return align === 'right' ? cut.padStart(width) : cut.padEnd(width)
}

/** Text broken at blanks into lines of at most `width`, each after `indent`. A longer word stands alone. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, indent + line]
}

/** Columns of the terminal; a pipe or file gets everything uncut. */
export function terminalWidth(): number {
  return process.stdout.isTTY ? (process.stdout.columns ?? 80) : Number.MAX_SAFE_INTEGER
}
