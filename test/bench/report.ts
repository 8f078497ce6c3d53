import { cpus, totalmem } from 'node:os'
import { type FlowMeasurement, type FlowPart, round } from './flow.ts'
import type { LatencyMeasurement } from './latency.ts'

/** What a system showed over all rounds: medians, with the spread of the rate. */
export interface SystemFigures {
  readonly recordsPerSecond: number
  readonly mbPerSecond: number
  /** All processes of the system together. */
  readonly cpuUsPerRecord: number
  readonly cpuUsPerRecordBy: Readonly<Record<string, number>>
  readonly brokersUsPerRecord: number
  readonly rssPeakMb: number
  readonly rssPeakMbBy: Readonly<Record<string, number>>
  readonly firstRecordAfterMs: number
  readonly secondHalf: FlowFigures
  /** Lowest and highest of the rounds. */
  readonly recordsPerSecondSpread: readonly [number, number]
  readonly rounds: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly p999Ms?: number
}

export interface FlowFigures {
  readonly recordsPerSecond: number
  readonly mbPerSecond: number
  readonly cpuUsPerRecord: number
  readonly cpuUsPerRecordBy: Readonly<Record<string, number>>
  readonly brokersUsPerRecord: number
}

export function machineText(): { cpu: string; cores: number; memoryGb: number; node: string; platform: string } {
  const [first] = cpus()
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  }
}

export function systemFigures(
  runs: readonly FlowMeasurement[],
  latency: LatencyMeasurement | undefined,
): SystemFigures {
  const rates = runs.map(run => run.full.recordsPerSecond)
  return {
    ...flowFigures(runs.map(run => run.full)),
    rssPeakMb: median(runs.map(run => run.rssPeakMb)),
    rssPeakMbBy: medians(runs.map(run => run.rssPeakMbBy)),
    firstRecordAfterMs: median(runs.map(run => run.firstRecordAfterMs)),
    secondHalf: flowFigures(runs.map(run => run.secondHalf)),
    recordsPerSecondSpread: [Math.min(...rates), Math.max(...rates)],
    rounds: runs.length,
    ...(latency && { p50Ms: latency.p50Ms, p99Ms: latency.p99Ms, p999Ms: latency.p999Ms }),
  }
}

function flowFigures(parts: readonly FlowPart[]): FlowFigures {
  return {
    recordsPerSecond: median(parts.map(part => part.recordsPerSecond)),
    mbPerSecond: median(parts.map(part => part.mbPerSecond)),
    cpuUsPerRecord: median(parts.map(part => part.cpuUsPerRecord)),
    cpuUsPerRecordBy: medians(parts.map(part => part.cpuUsPerRecordBy)),
    brokersUsPerRecord: median(parts.map(part => part.brokersUsPerRecord)),
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length >> 1
  const value = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return round(value, 2)
}

function medians(rows: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = Object.keys(rows[0] ?? {})
  return Object.fromEntries(names.map(name => [name, median(rows.map(row => row[name]!))]))
}

/** Columns as wide as their widest cell; the first is text, the others numbers. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows
    .map(row =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
    )
    .join('\n')
}

/** The table of a replication bench: full run, second half, memory and latency of each system. */
export function replicationTable(systems: Readonly<Record<string, SystemFigures>>): string {
  const rows = [['system', 'records/s', 'MB/s', 'us/record', '2nd half', 'brokers', 'peak RSS', 'p50 ms', 'p99 ms']]
  for (const [name, figures] of Object.entries(systems)) {
    const by = Object.values(figures.cpuUsPerRecordBy)
    rows.push([
      name,
      figures.recordsPerSecond.toLocaleString('en-US'),
      figures.mbPerSecond.toFixed(1),
      by.length > 1
        ? `${by.map(each => each.toFixed(2)).join(' + ')} = ${figures.cpuUsPerRecord.toFixed(2)}`
        : figures.cpuUsPerRecord.toFixed(2),
      figures.secondHalf.cpuUsPerRecord.toFixed(2),
      figures.brokersUsPerRecord.toFixed(2),
      Object.values(figures.rssPeakMbBy)
        .map(mb => mb.toFixed(0))
        .join(' + '),
      figures.p50Ms?.toFixed(2) ?? '',
      figures.p99Ms?.toFixed(1) ?? '',
    ])
  }
  return tableText(rows)
}
