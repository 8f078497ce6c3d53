import type { LinkLog } from '../link/ports.ts'
import type { Logger } from '../telemetry/log.ts'

/** The log of `link/`: what a peer does wrong again and again is written now and then. */
export function linkLog(logger: Logger): LinkLog {
  const log = logger.child('link')
  const cause = (fields: object) => {
    const { peer, code } = fields as { peer?: string; code?: string }
    return `link ${peer} ${code}`
  }
  return {
    info: (fields, message) => log.info({ ...fields }, message),
    warn: (fields, message) => log.limited(cause(fields)).warn({ ...fields }, message),
    error: (fields, message) => log.limited(cause(fields)).error({ ...fields }, message),
  }
}
