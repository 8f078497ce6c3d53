import type { LocalInfo, LocalStatus, ProcessStatus, WanDirection } from '../../deploy/local/types.ts'
import { bytes, seconds, table, terminalWidth } from './text.ts'

interface Place {
  readonly dc: string
  readonly what: string
  readonly address: string
  readonly pid: string
}

/** What a user needs to connect: addresses per data center. */
export function infoTable(info: LocalInfo): string {
  const places: Place[] = []
  for (const [dc, { kafka, redis, brokers, gateways }] of Object.entries(info.dcs)) {
    places.push({ dc, what: 'kafka', address: kafka, pid: brokers.map(({ pid }) => pidText(pid)).join(',') })
    if (redis !== null) places.push({ dc, what: 'redis', address: redis, pid: '' })
    for (const { node, admin, http, pid } of gateways)
      places.push({ dc, what: `gateway ${node}`, address: `admin ${admin}, ${http}`, pid: pidText(pid) })
  }
  const columns = [
    { title: 'DC', of: ({ dc }: Place) => dc },
    { title: 'WHAT', of: ({ what }: Place) => what },
    { title: 'ADDRESS', of: ({ address }: Place) => address },
    { title: 'PID', of: ({ pid }: Place) => pid },
  ]
  return table(columns, places, terminalWidth()).join('\n')
}

export function statusTable(status: LocalStatus): string {
  const processes = table(
    [
      { title: 'NAME', of: ({ name }: ProcessStatus) => name },
      { title: 'STATE', of: ({ state, ended }) => (ended === undefined ? state : `${state} (${ended})`) },
      { title: 'PID', of: ({ pid }) => pidText(pid) },
      { title: 'LOG', of: ({ log }) => log },
    ],
    status.processes,
    terminalWidth(),
  )
  const wan = table(
    [
      { title: 'WAN', of: ({ from, to }: WanDirection) => `${from}->${to}` },
      { title: 'STATE', of: wanState },
      { title: 'ONE WAY', of: ({ delayMs }) => `${delayMs} ms` },
      { title: 'RATE', of: ({ bytesPerSecond }) => (bytesPerSecond === null ? '-' : `${bytes(bytesPerSecond)}/s`) },
      { title: 'DIALLED', of: ({ connections }) => String(connections) },
      { title: 'SENT', of: direction => bytes(direction.bytes) },
    ],
    status.wan,
    terminalWidth(),
  )
  return [...processes, ...(status.wan.length === 0 ? [] : ['', ...wan])].join('\n')
}

function wanState({ state, resetEveryMs }: WanDirection): string {
  return resetEveryMs === null ? state : `${state}, reset every ${seconds(resetEveryMs / 1000)}`
}

function pidText(pid: number | null): string {
  return pid === null ? 'down' : String(pid)
}
