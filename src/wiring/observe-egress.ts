import type { EgressObserver, PassedOverReason } from '../egress/ports.ts'
import { linkName } from '../route/names.ts'
import type { GatewayMetrics } from '../telemetry/metrics.ts'

/** What egress measures, as metrics of the outbound links. */
export class EgressTelemetry implements EgressObserver {
  readonly #metrics: GatewayMetrics['metrics']

  constructor({ metrics }: GatewayMetrics) {
    this.#metrics = metrics
  }

  passedOver(origin: string, peer: string, reason: PassedOverReason, records: number): void {
    this.#metrics.dropped.add({ link: linkName(origin, peer), reason }, records)
  }

  sent(origin: string, peer: string, topic: string, records: number, batchBytes: number): void {
    const link = linkName(origin, peer)
    this.#metrics.recordsOut.add({ link, topic }, records)
    this.#metrics.bytesOut.add({ link, topic }, batchBytes)
    this.#metrics.frames.add({ link, direction: 'out' })
  }
}
