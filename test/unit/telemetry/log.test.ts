import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { createLogger, LIMITED_INTERVAL_MS, type Logger, type LogLevel } from '../../../src/telemetry/log.ts'

/** A logger whose lines are read back, with a clock of its own. */
function recordingLogger(level: LogLevel = 'info') {
  const lines: Record<string, unknown>[] = []
  const clock = { nowMs: 0 }
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const logger: Logger = createLogger(level, destination, () => clock.nowMs)
  return { logger, lines, clock }
}

describe('levels', () => {
  test('what is below the level is not written', () => {
    const { logger, lines } = recordingLogger('warn')
    logger.info('no')
    logger.warn('yes')
    logger.error({ topic: 't' }, 'too')
    expect(lines).toMatchObject([
      { level: 'warn', msg: 'yes' },
      { level: 'error', msg: 'too', topic: 't' },
    ])
  })

  test('a change reaches every logger of the process, also those made before', () => {
    const { logger, lines } = recordingLogger()
    const child = logger.child('ingest', { link: 'eu->us' })
    child.debug('no')
    logger.setLevel('debug')
    child.debug('yes')
    expect(lines).toMatchObject([{ component: 'ingest', link: 'eu->us', msg: 'yes' }])
    expect(child.level()).toBe('debug')
  })
})

describe('rate limiting', () => {
  test('one line per cause and interval; the next says how many were left out', () => {
    const { logger, lines, clock } = recordingLogger()
    for (let at = 0; at < 5; at++) logger.limited('peer eu').warn(`line ${at}`)
    logger.limited('peer ap').warn('another cause')
    clock.nowMs = LIMITED_INTERVAL_MS
    logger.child('link').limited('peer eu').warn('later')
    expect(lines.map(({ msg, leftOut }) => [msg, leftOut])).toEqual([
      ['line 0', undefined],
      ['another cause', undefined],
      ['later', 4],
    ])
  })

  test('a line below the level does not use up its cause', () => {
    const { logger, lines } = recordingLogger('info')
    logger.limited('x').debug('hidden')
    logger.limited('x').info('shown')
    expect(lines).toHaveLength(1)
  })

  test('causes without end do not cost memory without end', () => {
    const { logger, lines } = recordingLogger()
    for (let at = 0; at < 3000; at++) logger.limited(`cause ${at}`).warn('x')
    logger.limited('cause 0').warn('forgotten, so written again')
    expect(lines).toHaveLength(3001)
  })
})

describe('what must not be read, and what must', () => {
  test('secrets are masked', () => {
    const { logger, lines } = recordingLogger()
    logger.info({ config: { kafka: { password: 'hush' }, redis: { url: 'redis://:hush@r' } }, password: 'hush' }, 'x')
    logger.info({ sasl: { username: 'me', password: 'hush' } }, 'x')
    expect(JSON.stringify(lines)).not.toContain('hush')
  })

  test('a condition of operation has its code, words, hint and cause, and no stack', () => {
    const { logger, lines } = recordingLogger()
    const cause = new Error('refused')
    logger.error({ error: new GatewayError('PEER_UNREACHABLE', 'peer', 'no answer', { hint: 'look', cause }) }, 'x')
    expect(lines[0]?.error).toEqual({
      code: 'PEER_UNREACHABLE',
      scope: 'peer',
      message: 'no answer',
      hint: 'look',
      cause: 'refused',
    })
  })

  test('a bug has its stack', () => {
    const { logger, lines } = recordingLogger()
    logger.error({ error: new TypeError('oops') }, 'x')
    expect(lines[0]?.error).toMatchObject({ message: 'oops', stack: expect.stringContaining('log.test.ts') })
  })
})
