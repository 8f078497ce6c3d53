import { eventually } from '../support/processes.ts'
import { type BenchStage, SOURCE_DC, TARGET_DC } from './clusters.ts'
import { round } from './flow.ts'
import { isthmus } from './isthmus.ts'
import { cpuMicroseconds, peakResidentMb } from './process-usage.ts'

const TOPICS = 10
const WATCH_MS = 60_000
/** After the last partition is there: checkpoints are written, the JIT has seen everything once. */
const SETTLE_MS = 30_000
const CREATION_DEADLINE_MS = 180_000

export interface IdleFigures {
  readonly [process: string]: {
    readonly cpuPercentOfOneCore: number
    readonly usPerPartitionSecond: number
    readonly rssPeakMb: number
  }
}

/** CPU of both gateways and both brokers while so many partitions are replicated and nothing is written. */
export async function measureIdle(
  stage: BenchStage,
  partitions: number,
  say: (text: string) => void,
): Promise<IdleFigures> {
  const each = Math.ceil(partitions / TOPICS)
  for (let topic = 0; topic < TOPICS; topic++) await stage.sourceAdmin.createTopic(`bench.idle-${topic}`, each)
  const running = await isthmus(stage.local).start(stage.clusters, [], { number: 0, linger: 'throughput', freePort: 0 })
  try {
    for (let topic = 0; topic < TOPICS; topic++) {
      const name = `bench.idle-${topic}`
      const made = async () => (await stage.targetAdmin.partitionCount(name)) === each
      await eventually(`${name} exists at the target`, CREATION_DEADLINE_MS, made, 500)
    }
    const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
    say(
      `${partitions} partitions stand at the target; waiting ${SETTLE_MS / 1_000} s, then watching ${WATCH_MS / 1_000} s`,
    )
    await pause(SETTLE_MS)
    const { source, target } = stage.clusters
    const brokers = [
      { name: `broker of ${SOURCE_DC}`, pid: source.brokerPid },
      { name: `broker of ${TARGET_DC}`, pid: target.brokerPid },
    ]
    const watched = [...running.processes, ...brokers]
    const before = watched.map(({ pid }) => cpuMicroseconds(pid)!)
    const startMs = performance.now()
    await pause(WATCH_MS)
    const seconds = (performance.now() - startMs) / 1_000
    const figures = watched.map(({ name, pid }, index) => {
      const usPerSecond = (cpuMicroseconds(pid)! - before[index]!) / seconds
      return [
        name,
        {
          cpuPercentOfOneCore: round(usPerSecond / 10_000, 2),
          usPerPartitionSecond: round(usPerSecond / partitions, 2),
          rssPeakMb: round(peakResidentMb(pid)!, 0),
        },
      ] as const
    })
    return Object.fromEntries(figures)
  } finally {
    await running.stop()
  }
}
