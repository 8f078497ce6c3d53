import type { GatewayError } from '../errors.ts'
import type { SessionFacts, SessionObserver } from '../link/ports.ts'
import { linkName } from '../route/names.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { Repeats } from './repeats.ts'

/** `in`: we fetch; `out`: we serve. */
export type Direction = 'in' | 'out'

/** Sessions of one direction as metrics and events. */
export class SessionTelemetry implements SessionObserver {
  readonly #dc: string
  readonly #direction: Direction
  readonly #telemetry: Telemetry
  readonly #repeats: Repeats

  /** `nowMs` is monotonic. */
  constructor(dc: string, direction: Direction, telemetry: Telemetry, nowMs: () => number) {
    this.#dc = dc
    this.#direction = direction
    this.#telemetry = telemetry
    this.#repeats = new Repeats(nowMs)
  }

  opened(session: SessionFacts): void {
    const { node, origin, address } = session
    const direction = this.#direction
    this.#telemetry.registry.metrics.sessionsOpened.add({ link: this.#link(session), direction })
    const does = direction === 'in' ? `fetches ${origin} from` : `serves ${origin} to`
    this.#record('session-opened', `${does} ${node} (${address})`, session)
  }

  ended(session: SessionFacts, error: GatewayError | undefined): void {
    const why = error?.message ?? `${session.node} hung up`
    this.#record('session-closed', why, session)
  }

  refused(session: SessionFacts, error: GatewayError): void {
    const direction = this.#direction
    this.#telemetry.registry.metrics.sessionsRefused.add({ direction, code: error.code })
    // A node that stops, or a peer that is left alone for a while, refuses too: that is told elsewhere.
    if (error.code === 'PEER_UNREACHABLE') return
    const { origin, peer, address } = session
    const hostOnly = address.slice(0, address.lastIndexOf(':'))
    if (!this.#repeats.news(`${origin} ${peer} ${hostOnly} ${error.code}`, error.message)) return
    const hint = error.hint === undefined ? '' : ` (${error.hint})`
    this.#record('session-refused', `${error.message}${hint}`, session)
    if (error.code === 'LOOP_DETECTED') this.#record('loop', error.message, session)
  }

  #record(
    name: 'session-opened' | 'session-closed' | 'session-refused' | 'loop',
    message: string,
    session: SessionFacts,
  ): void {
    const peer = session.peer || undefined
    const link = session.origin === '' ? undefined : this.#link(session)
    this.#telemetry.events.record(name, message, { link, peer })
  }

  #link({ origin, peer }: SessionFacts): string {
    return linkName(origin, this.#direction === 'in' ? this.#dc : peer)
  }
}
