import type { Clock, Component } from '../component.ts'
import type { ListedTopic, TopicAdmin, TopicConfigs } from './ports.ts'

/** How long a new topic or partition stays unnoticed here. */
export const CATALOG_POLL_MS = 2_000
/** Configs of topics that are known are looked up this often: they change by hand only. */
export const CONFIGS_POLL_MS = 60_000
/** Topics in one DescribeConfigs request. */
const CONFIGS_AT_ONCE = 200

export interface LocalTopic extends ListedTopic {
  /** Empty where we may not describe them. */
  readonly configs: TopicConfigs
}

export type CatalogChange =
  | { readonly kind: 'added'; readonly topic: LocalTopic }
  | { readonly kind: 'grown'; readonly topic: LocalTopic; readonly before: number }
  | { readonly kind: 'reconfigured'; readonly topic: LocalTopic }
  /** Deleted and created again: the same name is another topic. */
  | { readonly kind: 'recreated'; readonly topic: LocalTopic; readonly before: LocalTopic }
  | { readonly kind: 'deleted'; readonly before: LocalTopic }

export interface LocalCatalogOptions {
  readonly admin: TopicAdmin
  readonly clock: Clock
  /** A poll failed: the catalog stays as it was. */
  readonly onTrouble: (error: unknown) => void
}

/**
 * What exists in the local cluster, polled. Egress offers it to peers, `follow.ts` compares peers with it. All changes
 * of one poll are told together, after the new state is in place.
 */
export class LocalCatalog implements Component {
  readonly name = 'local-catalog'
  readonly #options: LocalCatalogOptions
  readonly #topics = new Map<string, LocalTopic>()
  readonly #listeners = new Set<(changes: readonly CatalogChange[]) => void>()
  readonly #stopped = new AbortController()
  readonly #configsChanged = new Set<string>()
  #refreshing: Promise<void> | undefined
  #loop: Promise<void> | undefined
  #configsReadMs = Number.NEGATIVE_INFINITY

  constructor(options: LocalCatalogOptions) {
    this.#options = options
  }

  /** Resolves when the first poll succeeded; rejects with its KafkaFailure. */
  async start(): Promise<void> {
    await this.refresh()
    this.#loop ??= this.#poll()
  }

  async stop(_deadlineMs: number): Promise<void> {
    this.#stopped.abort()
    await this.#loop
  }

  get(name: string): LocalTopic | undefined {
    return this.#topics.get(name)
  }

  topics(): IterableIterator<LocalTopic> {
    return this.#topics.values()
  }

  /** Called with each later set of changes; returns how to stop listening. */
  subscribe(listener: (changes: readonly CatalogChange[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The next poll reads the configs of this topic again: they were changed from here. */
  forgetConfigs(name: string): void {
    this.#configsChanged.add(name)
  }

  /** Polls now, or joins the poll that is under way. Rejects with KafkaFailure. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#readOnce().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #poll(): Promise<void> {
    const { clock, onTrouble } = this.#options
    const { signal } = this.#stopped
    while (!signal.aborted) {
      await clock.sleep(CATALOG_POLL_MS, signal)
      if (!signal.aborted) await this.refresh().catch(onTrouble)
    }
  }

  async #readOnce(): Promise<void> {
    const listed = await this.#options.admin.listTopics()
    const nowMs = this.#options.clock.monotonicMs()
    const allConfigs = nowMs - this.#configsReadMs >= CONFIGS_POLL_MS
    const toRead = listed.filter(
      ({ name, topicId }) =>
        allConfigs || this.#configsChanged.has(name) || this.#topics.get(name)?.topicId !== topicId,
    )
    this.#configsChanged.clear()
    const configs = await this.#describe(toRead.map(topic => topic.name))
    if (allConfigs) this.#configsReadMs = nowMs
    const changes = this.#take(listed, configs)
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes)
  }

  async #describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicConfigs>> {
    const all = new Map<string, TopicConfigs>()
    for (let at = 0; at < names.length; at += CONFIGS_AT_ONCE) {
      const some = await this.#options.admin.describeConfigs(names.slice(at, at + CONFIGS_AT_ONCE))
      for (const [name, configs] of some) all.set(name, configs)
    }
    return all
  }

  #take(listed: readonly ListedTopic[], configs: ReadonlyMap<string, TopicConfigs>): CatalogChange[] {
    const changes: CatalogChange[] = []
    const present = new Set<string>()
    for (const { name, topicId, partitions } of listed) {
      present.add(name)
      const before = this.#topics.get(name)
      const same = before?.topicId === topicId ? before : undefined
      const topic: LocalTopic = {
        name,
        topicId,
        partitions,
        configs: configs.get(name) ?? same?.configs ?? {},
      }
      this.#topics.set(name, topic)
      const change = changeBetween(before, topic)
      if (change !== undefined) changes.push(change)
    }
    for (const [name, before] of this.#topics) {
      if (present.has(name)) continue
      this.#topics.delete(name)
      changes.push({ kind: 'deleted', before })
    }
    return changes
  }
}

function changeBetween(before: LocalTopic | undefined, topic: LocalTopic): CatalogChange | undefined {
  if (before === undefined) return { kind: 'added', topic }
  if (before.topicId !== topic.topicId) return { kind: 'recreated', topic, before }
  if (before.partitions < topic.partitions) return { kind: 'grown', topic, before: before.partitions }
  return sameConfigs(before.configs, topic.configs) ? undefined : { kind: 'reconfigured', topic }
}

function sameConfigs(a: TopicConfigs, b: TopicConfigs): boolean {
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  return names.every(name => a[name]!.value === b[name]?.value && a[name]!.explicit === b[name].explicit)
}
