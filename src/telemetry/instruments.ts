import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** The only door to prom-client: metrics are declared as data (metrics.ts) and used through typed instruments. */

export type MetricKind = 'counter' | 'gauge' | 'histogram'

export interface MetricSpec<Label extends string = string, Kind extends MetricKind = MetricKind> {
  readonly kind: Kind
  readonly name: string
  readonly help: string
  readonly labels: readonly Label[]
  /** Upper bounds in the metric's base unit; histograms only. */
  readonly buckets?: readonly number[]
}

type LabelsOf<Spec> = Spec extends MetricSpec<infer Label> ? Readonly<Record<Label, string>> : never

export interface CounterOf<Labels> {
  add(labels: Labels, amount?: number): void
}
export interface GaugeOf<Labels> {
  set(labels: Labels, value: number): void
  remove(labels: Labels): void
  /** Forgets every series: for gauges that are set anew at each scrape. */
  clear(): void
}
export interface HistogramOf<Labels> {
  observe(labels: Labels, value: number): void
}

export type InstrumentOf<Spec> =
  Spec extends MetricSpec<string, 'counter'>
    ? CounterOf<LabelsOf<Spec>>
    : Spec extends MetricSpec<string, 'gauge'>
      ? GaugeOf<LabelsOf<Spec>>
      : HistogramOf<LabelsOf<Spec>>

export type Instruments<Specs> = { readonly [Name in keyof Specs]: InstrumentOf<Specs[Name]> }

/** Series of one metric. A cluster with more topics gets the rest summed up under OVERFLOW_TOPIC. */
export const SERIES_MAX = 5000
export const OVERFLOW_TOPIC = '_other'

export interface Exposition {
  readonly contentType: string
  /** The text that Prometheus scrapes. */
  text(): Promise<string>
}

export interface MetricsRegistry<Specs> extends Exposition {
  readonly metrics: Instruments<Specs>
  /** Called before each scrape, to set the gauges that are read from state. Throwing leaves the others alone. */
  onScrape(listener: () => void): void
}

/** A registry with one instrument per spec, and the process's own metrics (`process_*`, `nodejs_*`). */
export function createRegistry<Specs extends Readonly<Record<string, MetricSpec>>>(
  specs: Specs,
): MetricsRegistry<Specs> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const listeners: (() => void)[] = []
  const metrics = Object.fromEntries(
    Object.entries(specs).map(([key, spec]) => [key, instrument(spec, registry)]),
  ) as unknown as Instruments<Specs>
  return {
    metrics,
    onScrape: listener => listeners.push(listener),
    contentType: registry.contentType,
    async text() {
      for (const listener of listeners) {
        try {
          listener()
        } catch {
          // A part that cannot say its state must not hide what the others say; its own series stay at their last value.
        }
      }
      return registry.metrics()
    },
  }
}

function instrument(spec: MetricSpec, registry: Registry) {
  const { name, help } = spec
  const labelNames = [...spec.labels]
  const registers = [registry]
  const bound = boundedLabels()
  if (spec.kind === 'counter') {
    const counter = new Counter({ name, help, labelNames, registers })
    return { add: (labels: Series, amount = 1) => counter.inc(bound(labels), amount) }
  }
  if (spec.kind === 'histogram') {
    const histogram = new Histogram({ name, help, labelNames, registers, buckets: [...(spec.buckets ?? [])] })
    return { observe: (labels: Series, value: number) => histogram.observe(bound(labels), value) }
  }
  const gauge = new Gauge({ name, help, labelNames, registers })
  return {
    set: (labels: Series, value: number) => gauge.set(bound(labels), value),
    remove: (labels: Series) => gauge.remove(labels),
    clear: () => gauge.reset(),
  }
}

type Series = Record<string, string>

/** Keeps the number of series of one metric bounded by folding topics that come late into one. */
function boundedLabels(): (labels: Series) => Series {
  const seen = new Set<string>()
  return labels => {
    const key = Object.values(labels).join('\u0000')
    if (seen.has(key)) return labels
    if (seen.size >= SERIES_MAX && 'topic' in labels) return { ...labels, topic: OVERFLOW_TOPIC }
    seen.add(key)
    return labels
  }
}
