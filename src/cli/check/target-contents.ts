import { type KafkaCluster, KafkaFailure, openTable, openTargetLog } from '../../kafka/index.ts'
import { Control, type ControlValue, decodeControlValue, encodeControlValue } from '../../state/control.ts'
import {
  decodeProgressValue,
  encodeProgressValue,
  Progress,
  type ProgressValue,
  partitionOfLinkKey,
} from '../../state/progress.ts'
import { decodeRegistryValue, encodeRegistryValue, Registry, type RegistryValue } from '../../state/registry.ts'
import { CONTROL_TOPIC, PROGRESS_TOPIC, REGISTRY_TOPIC } from '../../state/topics.ts'
import { wouldDouble } from '../../topics/first-start.ts'
import type { LocalTopic } from '../../topics/local-catalog.ts'

/** The judgement of a first start as the gateway itself would take it now, from what it remembers in this cluster. */
export interface ContentsJudge {
  wouldDouble(origin: string, local: LocalTopic): Promise<boolean>
  close(): Promise<void>
}

/** Reads the gateway's memory, as far as there is one. Rejects with KafkaFailure or GatewayError when it cannot be read. */
export async function openContentsJudge(cluster: KafkaCluster): Promise<ContentsJudge> {
  const log = openTargetLog(cluster)
  const tables = {
    registry: openTable<RegistryValue>(cluster, log, {
      topic: REGISTRY_TOPIC,
      encode: encodeRegistryValue,
      decode: decodeRegistryValue,
    }),
    progress: openTable<ProgressValue>(cluster, log, {
      topic: PROGRESS_TOPIC,
      encode: encodeProgressValue,
      decode: decodeProgressValue,
      partitionBy: partitionOfLinkKey,
    }),
    control: openTable<ControlValue>(cluster, log, {
      topic: CONTROL_TOPIC,
      encode: encodeControlValue,
      decode: decodeControlValue,
    }),
  }
  const registry = new Registry(tables.registry)
  const progress = new Progress(tables.progress, tables.progress)
  const control = new Control(tables.control, Date.now, () => {})
  tables.registry.onChange((_key, value) => registry.changed(value))
  tables.progress.onChange((key, value) => progress.changed(key, value))
  const close = async () => {
    await Promise.all(Object.values(tables).map(table => table.stop()))
    log.close()
  }
  try {
    await Promise.all(Object.values(tables).map(unlessMissing))
  } catch (error) {
    await close()
    throw error
  }
  return {
    wouldDouble: (origin, local) =>
      wouldDouble(origin, local, {
        // A link that has not begun would begin now: all that is here was here before.
        endsBefore: (of, name) =>
          control.hasBegun(of)
            ? control.endsBefore(of, name)
            : { topicId: local.topicId, ends: Array(local.partitions).fill(Number.MAX_SAFE_INTEGER) },
        hasFetched: (of, name, partition) =>
          registry.writersOf(of, name, partition).length > 0 || progress.of(of, name, partition).length > 0,
        isWriter: producerId => registry.writer(producerId) !== undefined,
        offsets: partition => log.offsets(partition),
        read: (partition, from, maxBytes, maxWaitMs) => log.read(partition, from, maxBytes, maxWaitMs),
      }),
    close,
  }
}

/** Before the first start of a gateway there is nothing to remember. */
async function unlessMissing(table: { start(): Promise<void> }): Promise<void> {
  try {
    await table.start()
  } catch (error) {
    if (!(error instanceof KafkaFailure) || error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
  }
}
