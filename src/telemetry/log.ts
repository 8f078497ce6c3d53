import { type DestinationStream, destination as openDestination, pino } from 'pino'
import { GatewayError, messageOf } from '../errors.ts'

/**
 * Levels, as everywhere in the gateway: error needs a person, warn needs attention if it repeats, info is what an
 * operator would want to read in a quiet week, debug and trace are for finding out why.
 */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, unknown>>

/** Fields first, as pino has it, or the message alone. An error goes under `error`. */
export interface LogLine {
  (message: string): void
  (fields: LogFields, message: string): void
}

export interface Logger {
  readonly error: LogLine
  readonly warn: LogLine
  readonly info: LogLine
  readonly debug: LogLine
  readonly trace: LogLine
  /** A logger for one part of the gateway; `fields` stand on each of its lines. */
  child(component: string, fields?: LogFields): Logger
  /**
   * A logger that writes at most one line per cause in LIMITED_INTERVAL_MS, whoever asks with that cause; the next
   * line says how many were left out. `cause` must come from a bounded set (a code, a peer), never hold an offset.
   */
  limited(cause: string): Logger
  /** For this logger and everything that hangs together with it. */
  setLevel(level: LogLevel): void
  level(): LogLevel
}

export const LIMITED_INTERVAL_MS = 10_000
/** Causes remembered for rate limiting; beyond it the oldest is forgotten, so its next line passes early. */
const LIMITED_CAUSES_MAX = 1000

const SECRETS = ['password', '*.password', '*.*.password', 'redis.url', '*.redis.url']

/** What all loggers of a process share. */
interface LogState {
  level: LogLevel
  readonly lastWritten: Map<string, { atMs: number; leftOut: number }>
  readonly nowMs: () => number
}

/**
 * The logger of a process: JSON lines, secrets masked. `destination` is stdout unless given.
 * Writes are synchronous, so that the last words of a dying process are not lost; the hot path logs nothing.
 */
export function createLogger(
  level: LogLevel,
  destination: DestinationStream = openDestination({ fd: 1, sync: true }),
  nowMs: () => number = () => performance.now(),
): Logger {
  const root = pino(
    {
      level: 'trace',
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { error: describeError },
      redact: { paths: SECRETS, censor: '***' },
    },
    destination,
  )
  return loggerOver(root, { level, lastWritten: new Map(), nowMs }, undefined)
}

/** A logger that writes nothing: the default of parts that are used without a gateway around them. */
export function silentLogger(): Logger {
  return createLogger('error', { write: () => {} })
}

function loggerOver(sink: pino.Logger, state: LogState, cause: string | undefined): Logger {
  const line = (level: LogLevel): LogLine => {
    const rank = LOG_LEVELS.indexOf(level)
    return (first: string | LogFields, message?: string) => {
      if (rank > LOG_LEVELS.indexOf(state.level)) return
      const leftOut = cause === undefined ? 0 : admit(state, cause)
      if (leftOut === undefined) return
      const fields = typeof first === 'string' ? {} : first
      sink[level](leftOut > 0 ? { ...fields, leftOut } : fields, typeof first === 'string' ? first : message)
    }
  }
  return {
    error: line('error'),
    warn: line('warn'),
    info: line('info'),
    debug: line('debug'),
    trace: line('trace'),
    child: (component, fields) => loggerOver(sink.child({ component, ...fields }), state, cause),
    limited: another => loggerOver(sink, state, another),
    setLevel: level => {
      state.level = level
    },
    level: () => state.level,
  }
}

/** May a line of this cause be written now? undefined: no; else how many were left out since the last one. */
function admit(state: LogState, cause: string): number | undefined {
  const now = state.nowMs()
  const last = state.lastWritten.get(cause)
  if (last !== undefined && now - last.atMs < LIMITED_INTERVAL_MS) {
    last.leftOut++
    return undefined
  }
  state.lastWritten.delete(cause)
  if (state.lastWritten.size >= LIMITED_CAUSES_MAX) {
    const oldest = state.lastWritten.keys().next().value
    if (oldest !== undefined) state.lastWritten.delete(oldest)
  }
  state.lastWritten.set(cause, { atMs: now, leftOut: 0 })
  return last?.leftOut ?? 0
}

/** Conditions of operation by code and words; the stack only of what is a bug. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { cause } = error
  const because = cause === undefined ? {} : { cause: messageOf(cause) }
  if (error instanceof GatewayError && error.code !== 'INTERNAL')
    return { code: error.code, scope: error.scope, message: error.message, hint: error.hint, ...because }
  const code = (error as { code?: unknown }).code
  if (error.name === 'KafkaFailure') return { code, message: error.message, ...because }
  return { code, message: error.message, stack: error.stack, ...because }
}
