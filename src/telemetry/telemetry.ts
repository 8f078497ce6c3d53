import { createEventLog, EVENTS, type EventLog } from './events.ts'
import { createLogger, type Logger, type LogLevel } from './log.ts'
import { createMetrics, type GatewayMetrics } from './metrics.ts'

/** How a gateway speaks: lines for reading, numbers for graphs, events for looking up. */
export interface Telemetry {
  readonly logger: Logger
  readonly registry: GatewayMetrics
  /** Every event is also counted, and logged at its own level. */
  readonly events: EventLog
}

export interface TelemetryOptions {
  readonly dc: string
  readonly node: string
  readonly version: string
  readonly level: LogLevel
  /** Default: one that writes to stdout. */
  readonly logger?: Logger
  readonly nowMs?: () => number
}

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { dc, node, version } = options
  const logger = options.logger ?? createLogger(options.level)
  const registry = createMetrics()
  registry.metrics.info.set({ dc, node, version }, 1)
  const eventLogger = logger.child('events')
  const events = createEventLog(options.nowMs ?? Date.now, event => {
    registry.metrics.events.add({ name: event.name })
    const { message, timeMs, ...fields } = event
    eventLogger.limited(`event ${event.name} ${event.link ?? event.peer ?? ''}`)[EVENTS[event.name][0]](fields, message)
  })
  return { logger, registry, events }
}
