import type { LocalInfo, LocalStatus, WanDirection } from '../../deploy/local/types.ts'

/** Rows as aligned columns, two spaces apart. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length)
    })
  return rows
    .map(row =>
      row
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What a user needs to connect: addresses per data center. */
export function infoTable(info: LocalInfo): string {
  const rows = [['DC', 'WHAT', 'ADDRESS', 'PID']]
  for (const [dc, { kafka, redis, brokers, gateways }] of Object.entries(info.dcs)) {
    rows.push([dc, 'kafka', kafka, brokers.map(({ pid }) => pid ?? 'down').join(',')])
    if (redis !== null) rows.push([dc, 'redis', redis, ''])
    for (const { node, admin, http, pid } of gateways)
      rows.push([dc, `gateway ${node}`, `admin ${admin}  ${http}`, String(pid ?? 'down')])
  }
  return columns(rows)
}

export function statusTable(status: LocalStatus): string {
  const processes = [['NAME', 'STATE', 'PID', 'LOG']]
  for (const { name, state, pid, log, ended } of status.processes)
    processes.push([name, ended === undefined ? state : `${state} (${ended})`, String(pid ?? '-'), log])
  const wan = [['WAN', 'STATE', 'ONE WAY', 'RATE', 'DIALLED', 'BYTES']]
  for (const direction of status.wan) wan.push(wanRow(direction))
  return status.wan.length === 0 ? columns(processes) : `${columns(processes)}\n\n${columns(wan)}`
}

function wanRow({
  from,
  to,
  state,
  delayMs,
  bytesPerSecond,
  resetEveryMs,
  connections,
  bytes,
}: WanDirection): string[] {
  const resets = resetEveryMs === null ? '' : `, reset every ${resetEveryMs / 1000} s`
  const rate = bytesPerSecond === null ? '-' : `${bytesPerSecond / 1e6} MB/s`
  return [`${from}->${to}`, `${state}${resets}`, `${delayMs} ms`, rate, String(connections), String(bytes)]
}
