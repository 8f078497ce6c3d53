import type { LocalHandle } from '../../deploy/local/types.ts'
import { SOURCE_DC, TARGET_DC } from './clusters.ts'
import type { SystemUnderTest } from './systems.ts'

const ALIVE_EVERY_MS = 500

/** A gateway beside each cluster, as `isthmus gateway` runs it, with the defaults of the product. */
export function isthmus(local: LocalHandle): SystemUnderTest {
  const nodes = { source: `${SOURCE_DC}-1`, target: `${TARGET_DC}-1` } as const
  return {
    name: 'isthmus',
    start: async () => {
      await local.start(nodes.source)
      // Watched from here on: it begins to fetch before it says that it is ready.
      const ready = local.start(nodes.target)
      const pidOf = (dc: string) => local.info().dcs[dc]!.gateways[0]!.pid!
      let timer: NodeJS.Timeout | undefined
      const exited = new Promise<void>((resolve, reject) => {
        ready.catch(reject)
        timer = setInterval(() => {
          if (local.status().processes.some(each => each.kind === 'gateway' && each.state === 'exited')) resolve()
        }, ALIVE_EVERY_MS)
      })
      const logs = local.status().processes.filter(each => each.kind === 'gateway')
      return {
        processes: [
          { role: 'source', name: 'source gateway', pid: pidOf(SOURCE_DC) },
          { role: 'target', name: 'target gateway', pid: pidOf(TARGET_DC) },
        ],
        targetTopic: topic => topic,
        exited,
        logFiles: logs.map(each => each.log),
        stop: async () => {
          clearInterval(timer)
          await ready
          await local.stop(nodes.target)
          await local.stop(nodes.source)
        },
      }
    },
  }
}
