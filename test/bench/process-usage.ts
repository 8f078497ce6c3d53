import { readFileSync } from 'node:fs'

/** Kernel ticks per second in /proc/PID/stat: USER_HZ, 100 on every Linux that Node runs on (proc(5)). */
const USER_HZ = 100

/** CPU time that a process and its threads used since they began, microseconds; undefined once it is gone. */
export function cpuMicroseconds(pid: number): number | undefined {
  const stat = readOrUndefined(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The command stands in brackets and may hold spaces: fields are counted from the last one. utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / USER_HZ
}

/** The most memory that was ever resident, MB of 2^20 bytes; undefined once the process is gone. */
export function peakResidentMb(pid: number): number | undefined {
  const status = readOrUndefined(`/proc/${pid}/status`)
  const peak = status === undefined ? null : /^VmHWM:\s+(\d+) kB$/m.exec(status)
  return peak === null ? undefined : Number(peak[1]) / 1024
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
