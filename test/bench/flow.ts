import { cpuMicroseconds, peakResidentMb } from './process-usage.ts'
import type { BenchClusters, MeasuredProcess, RunningSystem } from './systems.ts'

/** How often the target's end offsets and /proc are read: 1 % of a run of ten seconds. */
const SAMPLE_EVERY_MS = 100
/** End offsets that reached the number of records and stand still for so long have arrived. Markers may follow the last record. */
const SETTLED_AFTER_MS = 3_000

/** Something that tells how many offsets the target's copy holds; 0 while there is no copy. */
export type OffsetCount = () => Promise<number>

interface FlowSample {
  readonly atMs: number
  readonly offsets: number
  /** CPU so far by process, microseconds, in the order of `processes`. */
  readonly cpu: readonly number[]
}

/** A stretch of a run: what it moved, how fast, and what each process spent on it. */
export interface FlowPart {
  readonly records: number
  readonly seconds: number
  readonly recordsPerSecond: number
  readonly mbPerSecond: number
  /** CPU of the system's processes, microseconds a record. */
  readonly cpuUsPerRecord: number
  readonly cpuUsPerRecordBy: Readonly<Record<string, number>>
  readonly brokersUsPerRecord: number
}

export interface FlowMeasurement {
  readonly full: FlowPart
  readonly secondHalf: FlowPart
  /** From the start of the processes to the first record at the target. */
  readonly firstRecordAfterMs: number
  readonly rssPeakMb: number
  readonly rssPeakMbBy: Readonly<Record<string, number>>
}

export interface FlowOptions {
  readonly records: number
  readonly recordBytes: number
  readonly deadlineMs: number
}

/** Watches a system that was just started until all `records` stand at the target, and says what that took. */
export async function measureFlow(
  clusters: BenchClusters,
  system: RunningSystem,
  countOffsets: OffsetCount,
  options: FlowOptions,
): Promise<FlowMeasurement> {
  const brokers: MeasuredProcess[] = [
    { role: 'source', name: 'source broker', pid: clusters.source.brokerPid },
    { role: 'target', name: 'target broker', pid: clusters.target.brokerPid },
  ]
  const processes = [...system.processes, ...brokers]
  const startedMs = performance.now()
  const samples = await sampleUntilSettled(system, processes, countOffsets, options, startedMs)
  const first = samples.findIndex(sample => sample.offsets > 0)
  const total = samples.at(-1)!.offsets
  const last = samples.findIndex(sample => sample.offsets === total)
  const half = samples.findIndex(sample => sample.offsets >= total / 2)
  // The target may hold markers beside the records: offsets are scaled to records.
  const recordsOf = (from: FlowSample, to: FlowSample) => ((to.offsets - from.offsets) / total) * options.records
  const part = (from: number, to: number): FlowPart => {
    const begin = samples[from]!
    const end = samples[to]!
    return partOf(recordsOf(begin, end), begin, end, system.processes, options.recordBytes)
  }
  const peaks = system.processes.map(each => [each.name, round(peakResidentMb(each.pid) ?? Number.NaN, 0)] as const)
  return {
    full: part(first, last),
    secondHalf: part(half, last),
    firstRecordAfterMs: round(samples[first]!.atMs - startedMs, 0),
    rssPeakMb: Math.max(...peaks.map(([, mb]) => mb)),
    rssPeakMbBy: Object.fromEntries(peaks),
  }
}

async function sampleUntilSettled(
  system: RunningSystem,
  processes: readonly MeasuredProcess[],
  countOffsets: OffsetCount,
  options: FlowOptions,
  startedMs: number,
): Promise<FlowSample[]> {
  const samples: FlowSample[] = []
  let ended = false
  const onExit = () => {
    ended = true
  }
  system.exited.then(onExit, onExit)
  let movedMs = startedMs
  for (;;) {
    const offsets = await countOffsets()
    const atMs = performance.now()
    if (offsets > (samples.at(-1)?.offsets ?? 0)) movedMs = atMs
    samples.push({ atMs, offsets, cpu: processes.map(each => cpuMicroseconds(each.pid) ?? Number.NaN) })
    if (offsets >= options.records && atMs - movedMs > SETTLED_AFTER_MS) return samples
    if (ended)
      throw new Error(
        `a process of the system ended at ${offsets} of ${options.records}: see ${system.logFiles.join(', ')}`,
      )
    if (atMs - startedMs > options.deadlineMs) {
      throw new Error(
        `${offsets} of ${options.records} records after ${options.deadlineMs} ms: see ${system.logFiles.join(', ')}`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, SAMPLE_EVERY_MS))
  }
}

function partOf(
  records: number,
  begin: FlowSample,
  end: FlowSample,
  owned: readonly MeasuredProcess[],
  recordBytes: number,
): FlowPart {
  const seconds = (end.atMs - begin.atMs) / 1_000
  const spent = end.cpu.map((cpu, index) => (cpu - begin.cpu[index]!) / records)
  const own = spent.slice(0, owned.length)
  return {
    records: Math.round(records),
    seconds: round(seconds, 2),
    recordsPerSecond: Math.round(records / seconds),
    mbPerSecond: round((records * recordBytes) / seconds / 1e6, 1),
    cpuUsPerRecord: round(sum(own), 2),
    cpuUsPerRecordBy: Object.fromEntries(owned.map((each, index) => [each.name, round(own[index]!, 2)])),
    brokersUsPerRecord: round(sum(spent.slice(owned.length)), 2),
  }
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
