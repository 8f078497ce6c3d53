import type { Component } from '../component.ts'
import { messageOf } from '../errors.ts'
import { linkName } from '../route/names.ts'
import type { CatalogTopic } from '../route/pull.ts'
import { type BringUpPorts, bringUp, type TopicStanding } from './bring-up.ts'
import type { FollowSettings } from './decide.ts'
import type { CatalogChange } from './local-catalog.ts'
import type { ReadyTopic, ReadyTopics } from './ports.ts'

/** Topics of a link that are created, grown or checked at the same time. */
const TOPICS_AT_ONCE = 8
const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 60_000
/** What another may change (records here, a rule of ours at the cluster) is looked at again. */
const REFUSED_AGAIN_MS = 30_000

export interface FollowPorts extends BringUpPorts {
  readonly topics: ReadyTopics
}

/**
 * Makes the topics of one link exist here as the origin has them, and tells which may be written. What goes wrong with a
 * topic (an ACL, a policy, a replication factor) hurts that topic alone and is tried again, ever more slowly.
 */
export class TopicFollower implements Component {
  readonly name: string
  readonly #ports: FollowPorts
  readonly #link: string
  readonly #remote = new Map<string, CatalogTopic>()
  readonly #standings = new Map<string, TopicStanding>()
  readonly #due = new Set<string>()
  readonly #busy = new Set<string>()
  /** Told to ingest at the next decision also when nothing of the topic changed. */
  readonly #toTell = new Set<string>()
  readonly #retries = new Map<string, { waitMs: number; readonly cancel: AbortController }>()
  #settings: FollowSettings
  #stopped = false
  #unsubscribe: (() => void) | undefined

  constructor(settings: FollowSettings, ports: FollowPorts) {
    this.#link = linkName(settings.origin, ports.dc)
    this.name = `topics of ${this.#link}`
    this.#settings = settings
    this.#ports = ports
  }

  async start(): Promise<void> {
    this.#unsubscribe ??= this.#ports.catalog.subscribe(changes => this.#localChanged(changes))
  }

  async stop(_deadlineMs: number): Promise<void> {
    this.#stopped = true
    this.#unsubscribe?.()
    this.#due.clear()
    for (const name of [...this.#retries.keys()]) this.#forgetRetry(name)
  }

  /** What the origin offers; `full` replaces all that was told before. */
  remoteCatalog(topics: readonly CatalogTopic[], removed: readonly string[], full: boolean): void {
    const names = new Set(topics.map(topic => topic.name))
    const gone = full ? [...this.#remote.keys()].filter(name => !names.has(name)) : removed
    for (const name of gone) this.#remote.delete(name)
    for (const topic of topics) this.#remote.set(topic.name, topic)
    this.#settle([...gone, ...names])
  }

  /** A changed config: every topic is decided anew, and told anew, since policies of ingest may be others. */
  reconfigure(settings: FollowSettings): void {
    this.#settings = settings
    for (const name of this.#remote.keys()) this.#toTell.add(name)
    this.#settle(this.#remote.keys())
  }

  /** Every topic that the origin has told of, with how it stands. */
  standings(): ReadonlyMap<string, TopicStanding> {
    return this.#standings
  }

  #localChanged(changes: readonly CatalogChange[]): void {
    const targets = new Set(changes.map(change => ('topic' in change ? change.topic.name : change.before.name)))
    const concerned: string[] = []
    for (const [name, standing] of this.#standings) {
      // what is not ready may be waiting for any change, and is cheap to decide again
      if (standing.kind === 'ready' ? targets.has(standing.topic.target) : standing.kind === 'refused')
        concerned.push(name)
    }
    this.#settle(concerned)
  }

  #settle(names: Iterable<string>): void {
    for (const name of names) this.#due.add(name)
    for (const name of this.#due) {
      if (this.#busy.size >= TOPICS_AT_ONCE || this.#stopped) return
      if (this.#busy.has(name)) continue
      this.#due.delete(name)
      this.#busy.add(name)
      void this.#settleOne(name).finally(() => {
        this.#busy.delete(name)
        this.#settle([])
      })
    }
  }

  async #settleOne(name: string): Promise<void> {
    const remote = this.#remote.get(name)
    if (remote === undefined) {
      this.#take(name, undefined, 'the origin has it no longer')
      this.#forgetRetry(name)
      return
    }
    const before = this.#standings.get(name)
    if (before === undefined) this.#standings.set(name, { kind: 'pending', why: 'it was just told of' })
    try {
      const standing = await bringUp(remote, before, this.#settings, this.#ports, ready => this.#admit(name, ready))
      if (standing.kind === 'refused' && standing.reason !== 'wish') this.#again(name, REFUSED_AGAIN_MS)
      else this.#forgetRetry(name)
      if (standing.kind !== 'ready') this.#take(name, standing, 'why' in standing ? standing.why : '')
    } catch (error) {
      this.#failed(name, error)
    }
  }

  #admit(name: string, standing: TopicStanding & { kind: 'ready' }): void {
    if (this.#stopped) return
    const before = this.#standings.get(name)
    this.#standings.set(name, standing)
    const again = this.#toTell.delete(name)
    if (again || before?.kind !== 'ready' || !sameTopic(before.topic, standing.topic))
      this.#ports.topics.ready(standing.topic)
    const said = before?.kind === 'ready' ? describeDifferences(before) : ''
    const now = describeDifferences(standing)
    if (now !== '' && now !== said)
      this.#ports.events.record('config-differs', now, { link: this.#link, topic: standing.topic.target })
  }

  /** Not ready (any more). undefined: not offered any more. */
  #take(name: string, standing: TopicStanding | undefined, why: string): void {
    const before = this.#standings.get(name)
    this.#toTell.delete(name)
    if (standing === undefined) this.#standings.delete(name)
    else this.#standings.set(name, standing)
    if (before?.kind === 'ready') this.#ports.topics.withdrawn(this.#settings.origin, name, why)
    const notable = standing !== undefined && !(standing.kind === 'refused' && standing.reason === 'wish')
    if (notable && !(before?.kind === standing.kind && before.why === standing.why))
      this.#ports.events.record('topic-refused', `${name}: ${why}`, { link: this.#link, topic: name })
  }

  /** What was ready stays so: only something more could not be done. */
  #failed(name: string, error: unknown): void {
    if (this.#stopped) return
    const waitMs = Math.min(RETRY_MAX_MS, (this.#retries.get(name)?.waitMs ?? RETRY_FIRST_MS / 2) * 2)
    const why = messageOf(error)
    const standing = this.#standings.get(name)
    if (standing?.kind === 'ready')
      this.#ports.events.record('topic-refused', `${name}: ${why}`, { link: this.#link, topic: name })
    else this.#take(name, { kind: 'pending', why }, why)
    this.#again(name, waitMs)
  }

  #again(name: string, waitMs: number): void {
    this.#forgetRetry(name)
    const cancel = new AbortController()
    this.#retries.set(name, { waitMs, cancel })
    void this.#ports.clock.sleep(waitMs, cancel.signal).then(() => {
      // A clock's sleep resolves when it is cancelled, too.
      if (!cancel.signal.aborted) this.#settle([name])
    })
  }

  #forgetRetry(name: string): void {
    this.#retries.get(name)?.cancel.abort()
    this.#retries.delete(name)
  }
}

function sameTopic(a: ReadyTopic, b: ReadyTopic): boolean {
  const keys = Object.keys(b) as (keyof ReadyTopic)[]
  return keys.every(key => JSON.stringify(a[key]) === JSON.stringify(b[key]))
}

function describeDifferences({ topic, differences }: TopicStanding & { kind: 'ready' }): string {
  if (differences.length === 0) return ''
  const list = differences.map(
    ({ name, origin, here }) => `${name} is ${here ?? 'unset'} here and ${origin} at ${topic.origin}`,
  )
  return `${topic.target}: ${list.join(', ')}`
}
