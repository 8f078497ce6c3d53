import { PROGRESS_TOPIC, REGISTRY_TOPIC } from '../../../src/state/topics.ts'
import { type ClusterOptions, ModelCluster } from './cluster.ts'
import { GatewayNode, TOPIC } from './gateway-node.ts'
import { type Isolation, Judge } from './judge.ts'
import { CALM_NETWORK, type NetworkFaults } from './network.ts'
import type { ModelPartition } from './partition.ts'
import { SimulatedProcess } from './process.ts'
import { type Random, seededRandom } from './random.ts'
import { SourceLog, type SourcePlan } from './source-log.ts'
import { ModelSession } from './source-session.ts'
import { VirtualTime } from './virtual-time.ts'

/** What may happen, each as the mean number of times per virtual minute while the run is rough. */
export interface Rates {
  readonly kill: number
  readonly stop: number
  /** A second node believes that it owns the lane too. */
  readonly rival: number
  readonly cutSession: number
  readonly failOver: number
  readonly uncleanElection: number
  readonly belowMinIsr: number
  readonly coordinatorDown: number
  /** An application of the target writes into the topic. */
  readonly localRecord: number
}

export interface Scenario {
  readonly isolation: Isolation
  readonly compacted: boolean
  readonly source: SourcePlan
  readonly cluster: ClusterOptions
  readonly network: NetworkFaults
  readonly rates: Rates
  /** How long two nodes may both believe that they own the lane. */
  readonly overlapMs: number
  /** After this nothing goes wrong any more, and everything must arrive. */
  readonly roughForMs: number
  /** Halting with an alarm is a right outcome: acked data was lost behind our back. */
  readonly alarmAllowed: boolean
  /** Where a first start begins; `earliest` unless said. */
  readonly start?: 'earliest' | 'latest'
  /** The target takes only batches up to this size, and nobody was told. */
  readonly maxBatchBytes?: number
}

export interface Outcome {
  readonly seed: number
  /** Undefined: every record once, in order, at every moment, and in the end all of them. */
  readonly problem: string | undefined
  readonly virtualMs: number
  readonly steps: number
  readonly takeovers: number
}

export const NO_MISHAPS: Rates = {
  kill: 0,
  stop: 0,
  rival: 0,
  cutSession: 0,
  failOver: 0,
  uncleanElection: 0,
  belowMinIsr: 0,
  coordinatorDown: 0,
  localRecord: 0,
}

const MINUTE_MS = 60_000
const TICK_MS = 100
/** A takeover waits a minute at most for its turn, a stopped rival's transaction ten seconds. */
const COMPLETE_WITHIN_MS = 10 * MINUTE_MS
const REPLACED_AFTER_MS = 3_000
const DIAL_MS = 50

/** One simulated run: nodes of one data center write one partition, and the world is against them. */
export class World {
  readonly time = new VirtualTime()
  readonly cluster: ModelCluster
  readonly at: ModelPartition
  readonly source: SourceLog
  readonly judge: Judge
  readonly nodes: GatewayNode[] = []
  readonly events: string[] = []
  readonly #random: Random
  readonly #scenario: Scenario
  readonly #sessions = new Map<GatewayNode, ModelSession>()
  #calm = false
  #nodesMade = 0
  halted: string | undefined

  constructor(seed: number, scenario: Scenario) {
    this.#random = seededRandom(seed)
    this.#scenario = scenario
    this.cluster = new ModelCluster(this.time, this.#random, scenario.cluster)
    this.at = this.cluster.createTopic(TOPIC, 1).partitions[0]!
    this.at.maxBatchBytes = scenario.maxBatchBytes ?? this.at.maxBatchBytes
    this.cluster.createTopic(REGISTRY_TOPIC, 1)
    this.cluster.createTopic(PROGRESS_TOPIC, 1)
    this.cluster.startExpiry()
    this.source = new SourceLog(this.#random.fork('source'), scenario.source)
    this.judge = new Judge(this.source.expected, scenario.isolation)
    this.cluster.onVisible = at => {
      if (at === this.at) this.judge.look(at)
    }
  }

  async run(): Promise<Outcome['problem']> {
    this.startNode()
    this.#tick()
    const { alarmAllowed, roughForMs } = this.#scenario
    const wrong = (): boolean => this.judge.violation !== undefined && !alarmAllowed
    const over = (): boolean => wrong() || this.halted !== undefined || (this.#calm && this.judge.complete)
    const limitMs = roughForMs + COMPLETE_WITHIN_MS
    const ended = await this.time.run(over, limitMs)
    if (this.halted !== undefined) return alarmAllowed && isAlarm(this.halted) ? undefined : `halted: ${this.halted}`
    if (this.judge.violation !== undefined) return this.judge.violation
    if (!ended)
      return `only ${this.judge.present} of ${this.source.expected.length} records after ${limitMs} ms: ${this.nodes.map(node => node.state).join('; ')}`
    // what is still on its way must do no harm either
    await this.time.run(() => this.judge.violation !== undefined, this.time.nowMs + MINUTE_MS)
    return this.judge.violation
  }

  startNode(): GatewayNode {
    const process = new SimulatedProcess(`us-${++this.#nodesMade}`, this.time)
    const node = new GatewayNode(process, this.cluster, this.#random, {
      compacted: this.#scenario.compacted,
      onGap: 'skip',
      start: this.#scenario.start ?? 'earliest',
      network: () => (this.#calm ? CALM_NETWORK : this.#scenario.network),
      onEvent: event => {
        this.events.push(`${Math.round(this.time.nowMs)} ${process.name} ${event.name}: ${event.message}`)
        if (event.name === 'halted') this.halted ??= node.haltedBy ?? event.message
      },
    })
    this.nodes.push(node)
    this.#dial(node)
    return node
  }

  killNode(node: GatewayNode): void {
    node.process.kill()
    this.nodes.splice(this.nodes.indexOf(node), 1)
  }

  cutSession(node: GatewayNode): void {
    this.#sessions.get(node)?.cut()
    this.#dial(node)
  }

  #dial(node: GatewayNode): void {
    this.time.after(this.#random.next() * DIAL_MS, () => {
      if (node.process.life === 'dead') return
      const session = new ModelSession(node.link, node.process, this.source, {
        time: this.time,
        random: this.#random,
        maxDelayMs: this.#scenario.network.maxDelayMs,
        onAck: next => this.judge.acked(next, this.at),
      })
      this.#sessions.set(node, session)
    })
  }

  #tick(): void {
    if (this.time.nowMs >= this.#scenario.roughForMs) {
      this.#becomeCalm()
      return
    }
    this.#mishaps()
    if (this.nodes.length === 0) this.startNode()
    this.time.after(TICK_MS * (0.5 + this.#random.next()), () => this.#tick())
  }

  #mishaps(): void {
    const { rates } = this.#scenario
    const node = this.nodes[this.#random.below(this.nodes.length)]
    if (node !== undefined && this.#happens(rates.kill)) this.killNode(node)
    else if (node !== undefined && this.#happens(rates.stop)) this.#stop(node)
    else if (node !== undefined && this.#happens(rates.cutSession)) this.cutSession(node)
    if (this.nodes.length < 3 && this.#happens(rates.rival)) this.#rival()
    if (this.#happens(rates.failOver)) this.cluster.failOver(this.at, this.#random.next() * 2_000)
    if (this.#happens(rates.uncleanElection))
      this.cluster.failOverUnclean(this.at, this.#random.next() * 2_000, this.#random.next())
    if (this.#happens(rates.belowMinIsr)) this.#forAWhile(this.at)
    if (this.#happens(rates.coordinatorDown)) this.#coordinatorDown()
    if (this.#happens(rates.localRecord)) this.#localRecord()
  }

  #happens(perMinute: number): boolean {
    return this.#random.chance((perMinute * TICK_MS) / MINUTE_MS)
  }

  /** SIGSTOP. The group notices and gives the lane to another; the first hears of it some time after it goes on. */
  #stop(node: GatewayNode): void {
    if (node.process.life !== 'running') return
    const forMs = this.#random.next() * 45_000
    node.process.stopFor(forMs)
    if (forMs < REPLACED_AFTER_MS) return
    const { overlapMs } = this.#scenario
    this.time.after(REPLACED_AFTER_MS, () => {
      if (!this.#calm) this.startNode()
    })
    this.time.after(forMs + (this.#random.next() * overlapMs) / 4, () => this.#retire(node))
  }

  #rival(): void {
    const loser = this.nodes[this.#random.below(this.nodes.length)]
    this.startNode()
    if (loser !== undefined) this.time.after(this.#random.next() * this.#scenario.overlapMs, () => this.#retire(loser))
  }

  #retire(node: GatewayNode): void {
    node.process.reach(() => node.loseLane())
    const index = this.nodes.indexOf(node)
    if (index >= 0 && this.nodes.length > 1) this.nodes.splice(index, 1)
    else if (index >= 0) this.killNode(node)
    if (this.nodes.length === 0) this.startNode()
  }

  #forAWhile(at: ModelPartition): void {
    at.belowMinIsr = true
    this.time.after(this.#random.next() * 5_000, () => {
      at.belowMinIsr = false
      this.cluster.appended(at)
    })
  }

  #coordinatorDown(): void {
    this.cluster.coordinator.available = false
    this.time.after(this.#random.next() * 5_000, () => {
      this.cluster.coordinator.available = true
    })
  }

  #localRecord(): void {
    if (this.at.leader < 0 || this.at.belowMinIsr) return
    this.at.produce(this.source.localRecord(), () => false)
    this.cluster.appended(this.at)
  }

  /** One node stays, and nothing goes wrong any more. */
  #becomeCalm(): void {
    this.#calm = true
    const stays = this.nodes.findLast(node => node.process.life === 'running')
    for (const node of [...this.nodes]) if (node !== stays) this.killNode(node)
    if (stays === undefined) this.startNode()
  }
}

/** The log contradicts what we know of it: nobody guesses, a person looks. */
function isAlarm(code: string): boolean {
  return code.startsWith('TARGET_ALARM') || code.startsWith('POSITION_BROKEN')
}

/** One run of a scenario: fully determined by the seed. */
export async function simulate(seed: number, scenario: Scenario): Promise<Outcome> {
  const world = new World(seed, scenario)
  const problem = await world.run()
  const takeovers = world.at.log.filter(batch => batch.commit === false).length
  return { seed, problem, virtualMs: world.time.nowMs, steps: world.time.steps, takeovers }
}
