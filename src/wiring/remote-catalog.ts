import type { CatalogTopic } from '../route/pull.ts'

/** What an origin offers on a link, as last told: kept while the session is down, since a relay passes it on. */
export class RemoteCatalog {
  readonly #topics = new Map<string, CatalogTopic>()
  readonly #listeners = new Set<() => void>()

  take(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void {
    if (full) this.#topics.clear()
    for (const name of removed) this.#topics.delete(name)
    for (const topic of topics) this.#topics.set(topic.name, topic)
    for (const listener of this.#listeners) listener()
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
