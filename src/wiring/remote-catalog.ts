import type { CatalogTopic } from '../route/pull.ts'

/** What an origin offers on a link, as last told: kept while the session is down, since a relay passes it on. */
export class RemoteCatalog {
  readonly #topics = new Map<string, CatalogTopic>()
  #known = false
  readonly #listeners = new Set<() => void>()

  take(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void {
    if (full) this.#topics.clear()
    this.#known ||= full
    for (const name of removed) this.#topics.delete(name)
    for (const topic of topics) this.#topics.set(topic.name, topic)
    for (const listener of this.#listeners) listener()
  }

  /** The origin, or a relay of it, has told all its topics once. */
  get known(): boolean {
    return this.#known
  }

  get(name: string): CatalogTopic | undefined {
    return this.#topics.get(name)
  }

  topics(): Iterable<CatalogTopic> {
    return this.#topics.values()
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
