import type { LocalHandle } from '../../deploy/local/types.ts'
import type { Ledger } from '../support/ledger.ts'
import { eventually } from '../support/processes.ts'
import type { Fault, ScheduledFault } from './schedule.ts'

/** What a round does to the topics, told to the ledger so that it judges the new partitions too. */
export interface GrowingTopics {
  addPartition(): Promise<void>
  newTopic(): Promise<void>
}

/** Does a fault, and undoes it after its time. Resolves when all is whole again. */
export async function commitFault(local: LocalHandle, topics: GrowingTopics, scheduled: ScheduledFault): Promise<void> {
  const { fault, forMs } = scheduled
  await begin(local, topics, fault)
  await new Promise(resolve => setTimeout(resolve, forMs))
  await end(local, fault)
}

async function begin(local: LocalHandle, topics: GrowingTopics, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case 'kill':
      return await local.kill(fault.name)
    case 'restart':
      return await local.stop(fault.name)
    case 'pause':
      return local.pause(fault.name)
    case 'wan':
      return local.wan(fault.name, fault.change, { oneWay: fault.oneWay })
    case 'add-partition':
      return await topics.addPartition()
    case 'new-topic':
      return await topics.newTopic()
  }
}

async function end(local: LocalHandle, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case 'kill':
    case 'restart':
      return await local.start(fault.name)
    case 'pause':
      return local.resume(fault.name)
    case 'wan':
      return local.wan(fault.name, { kind: 'heal' })
    case 'add-partition':
    case 'new-topic':
      return
  }
}

/** The broker that is asked may be down just then. */
const BROKER_BACK_MS = 90_000
const MAX_PARTITIONS = 24
const MAX_TOPICS = 12

/** Topics that grow in one data center and are made in one: the gateways carry that to the others. */
export function growingTopics(
  ledger: Ledger,
  dcs: readonly string[],
  topic: string,
  recordsPerSecond: number,
): GrowingTopics {
  let partitions = 3
  let topics = 0
  return {
    addPartition: async () => {
      if (partitions >= MAX_PARTITIONS) return
      partitions++
      const [dc] = dcs
      const { admin } = ledger.dc(dc!)
      await eventually(`${topic} grows to ${partitions}`, BROKER_BACK_MS, async () => {
        if ((await admin.partitionCount(topic)) === partitions) return true
        await admin.addPartitions(topic, partitions)
        return false
      })
      ledger.watch(topic, [partitions - 1])
      ledger.addLoad({ topic, partitions: [partitions - 1], dcs: [dc!], recordsPerSecond, plain: 1 }, 'now')
    },
    newTopic: async () => {
      if (topics >= MAX_TOPICS) return
      const name = `chaos.new-${topics}`
      const dc = dcs[topics++ % dcs.length]!
      const create = () => ledger.createTopic(name, 2, { dcs: [dc] }).then(() => true)
      await eventually(`${name} is created`, BROKER_BACK_MS, create)
      ledger.addLoad(
        { topic: name, partitions: [0, 1], dcs: [dc], recordsPerSecond, plain: 1, transactional: 1 },
        'now',
      )
    },
  }
}
