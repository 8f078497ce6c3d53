import type { Operator } from '../admin/ports.ts'
import { GatewayError } from '../errors.ts'
import { linkName } from '../route/names.ts'
import type { Control } from '../state/control.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { InboundLink } from './inbound-links.ts'

/** What an operator can do. Pauses are kept in the data center's own Kafka and followed by all of its nodes. */
export function operator(dc: string, control: Control, links: readonly InboundLink[], telemetry: Telemetry): Operator {
  const byOrigin = new Map(links.map(link => [link.origin, link]))
  control.onPause((origin, pause) => {
    const inbound = byOrigin.get(origin)
    if (!inbound) return
    // A resume is also the operator's word that halted partitions may try again, on every node and paused or not.
    if (!pause && !inbound.ingest.paused) return inbound.ingest.setPaused(false)
    if (inbound.ingest.paused === (pause !== undefined)) return
    applyPause(inbound, pause?.reason)
    const link = linkName(origin, dc)
    if (pause) telemetry.events.record('link-paused', pause.reason || 'by an operator', { link })
    else telemetry.events.record('link-resumed', 'by an operator', { link })
  })
  const known = (origin: string) => {
    if (byOrigin.has(origin)) return
    throw new GatewayError('CONFIG_INVALID', 'peer', `${dc} has no link from ${origin}`, {
      hint: `links come from ${[...byOrigin.keys()].join(', ') || 'nowhere: no peers are configured'}`,
    })
  }
  return {
    pauseLink: async (origin, reason) => {
      known(origin)
      return await control.pause(origin, reason)
    },
    resumeLink: async origin => {
      known(origin)
      return await control.resume(origin)
    },
    setLogLevel: level => {
      const previousLevel = telemetry.logger.level()
      telemetry.logger.setLevel(level)
      return { previousLevel }
    },
  }
}

/** `reason` undefined: the link runs. */
export function applyPause({ link, ingest }: Pick<InboundLink, 'link' | 'ingest'>, reason: string | undefined): void {
  ingest.setPaused(reason !== undefined)
  if (reason !== undefined) link.pause(reason || 'by an operator')
  else link.resume()
}
