import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareCluster } from '../../deploy/local/kafka-broker.ts'
import { freePorts } from '../../deploy/local/ports.ts'
import { eventually, type OwnedProcess, startProcess } from './processes.ts'

const DEFAULT_VERSION = '4.3.1'
const START_LIMIT_MS = 90_000

/** A throwaway Kafka cluster for one test file. */
export interface TestCluster {
  /** Ports of the PLAINTEXT listeners, in order of broker id from 1. */
  readonly ports: readonly number[]
  /** `host:port` of every PLAINTEXT listener. */
  readonly brokers: readonly string[]
  /** SIGKILL, and wait until it is gone. */
  kill(brokerId: number): Promise<void>
  /** Starts a broker that is down, on its old data and ports. */
  start(brokerId: number): Promise<void>
  /** The running process of a broker, for signals. */
  pid(brokerId: number): number
  stop(): Promise<void>
}

export interface TestClusterOptions {
  readonly brokers?: number
  /** Broker properties beside the defaults of `isthmus local`; may use the ports given to it. */
  readonly config?: (ports: {
    readonly client: number
    readonly controller: number
    readonly spare: readonly number[]
  }) => Record<string, string>
  /** So many more free ports for `config`. */
  readonly sparePorts?: number
}

/** Starts a cluster and waits until it answers. `ISTHMUS_TEST_KAFKA` chooses another installed version. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const count = options.brokers ?? 1
  const dir = mkdtempSync(join(tmpdir(), 'isthmus-kafka-'))
  const numbers = await freePorts(count * 2 + (options.sparePorts ?? 0))
  const ports = Array.from({ length: count }, (_, i) => ({ client: numbers[2 * i]!, controller: numbers[2 * i + 1]! }))
  const config = options.config?.({ ...ports[0]!, spare: numbers.slice(count * 2) }) ?? {}
  const version = process.env.ISTHMUS_TEST_KAFKA ?? DEFAULT_VERSION
  const plans = await prepareCluster({ dc: 'test', dir, version, ports, config })
  const running = new Map<number, OwnedProcess>()
  const start = async (brokerId: number) => {
    const { name, command, args, log, isReady } = plans[brokerId - 1]!
    running.set(brokerId, startProcess({ name, command, args, logFile: log }))
    await eventually(`${name} answers`, START_LIMIT_MS, isReady)
  }
  await Promise.all(plans.map((_, i) => start(i + 1)))
  const pid = (brokerId: number) => running.get(brokerId)!.pid
  return {
    ports: ports.map(port => port.client),
    brokers: ports.map(port => `127.0.0.1:${port.client}`),
    pid,
    start,
    kill: async brokerId => {
      process.kill(pid(brokerId), 'SIGKILL')
      await running.get(brokerId)!.exited
      running.delete(brokerId)
    },
    stop: async () => {
      await Promise.all([...running.values()].map(broker => broker.stop(0)))
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
