import type { CatalogTopic } from '../route/pull.ts'
import { neverCrosses } from '../route/topic-filter.ts'
import type { EgressTopics, FrameSink, TopicOffer } from './ports.ts'

/**
 * Tells one peer what topics of a link there are: everything at first, then what changed. Topics that it may not have
 * are named with the reason, so that `explain` at the target can tell; those of one cluster alone are not.
 */
export class CatalogFeed {
  readonly #topics: EgressTopics
  readonly #offer: TopicOffer
  readonly #dc: string
  readonly #sink: FrameSink
  readonly #unsubscribe: () => void
  #begun = false
  /** As told, by name, in a form that can be compared. */
  readonly #told = new Map<string, string>()

  constructor(topics: EgressTopics, offer: TopicOffer, dc: string, sink: FrameSink) {
    this.#topics = topics
    this.#offer = offer
    this.#dc = dc
    this.#sink = sink
    this.#unsubscribe = offer.subscribe(() => this.update())
    if (offer.known) this.#tellAll()
  }

  #tellAll(): void {
    this.#begun = true
    const all = [...this.#current()]
    for (const topic of all) this.#told.set(topic.name, JSON.stringify(topic))
    this.#sink.catalog(all, [], true)
  }

  /** Tells what changed, also after a change of rules. */
  update(): void {
    if (!this.#offer.known) return
    if (!this.#begun) return this.#tellAll()
    const changed: CatalogTopic[] = []
    const present = new Set<string>()
    for (const topic of this.#current()) {
      present.add(topic.name)
      const text = JSON.stringify(topic)
      if (this.#told.get(topic.name) === text) continue
      this.#told.set(topic.name, text)
      changed.push(topic)
    }
    const removed = [...this.#told.keys()].filter(name => !present.has(name))
    for (const name of removed) this.#told.delete(name)
    if (changed.length > 0 || removed.length > 0) this.#sink.catalog(changed, removed, false)
  }

  end(): void {
    this.#unsubscribe()
  }

  *#current(): Generator<CatalogTopic> {
    for (const { name, topicId, partitions, configs, maxMessageBytes } of this.#offer.topics()) {
      if (neverCrosses(name)) continue
      const refused = this.#topics.refused(name, this.#dc)
      yield refused === undefined
        ? { name, topicId, partitions, configs, maxMessageBytes }
        : { name, topicId, partitions, configs: {}, maxMessageBytes: 0, refused }
    }
  }
}
