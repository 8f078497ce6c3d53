/** The two Kafka clusters that every system moves records between, in the same run. */
export interface BenchClusters {
  /** For configs and logs of the systems. */
  readonly dir: string
  readonly source: BenchCluster
  readonly target: BenchCluster
}

export interface BenchCluster {
  readonly dc: string
  readonly bootstrap: string
  readonly brokerPid: number
}

export interface RunOptions {
  /** Counts the runs of a bench: names that must not repeat are made from it. */
  readonly number: number
  /** Settings for throughput, or those with which the same system answers soonest. */
  readonly linger: 'throughput' | 'latency'
  readonly freePort: number
}

export interface MeasuredProcess {
  /** Reads from the source cluster, writes into the target cluster, or does both. */
  readonly role: 'source' | 'target' | 'both'
  readonly name: string
  readonly pid: number
}

export interface RunningSystem {
  readonly processes: readonly MeasuredProcess[]
  /** Name of the copy in the target cluster. */
  targetTopic(topic: string): string
  /** Settles when a process of the system ends. */
  readonly exited: Promise<unknown>
  readonly logFiles: readonly string[]
  stop(): Promise<void>
}

/** Something that replicates. Started on a filled source, it copies `topics` from their first record on. */
export interface SystemUnderTest {
  readonly name: string
  start(clusters: BenchClusters, topics: readonly string[], run: RunOptions): Promise<RunningSystem>
}
