import { KafkaFailure } from '../../kafka/failure.ts'
import { openTopicAdmin } from '../../kafka/topic-admin.ts'
import { type Finding, ok, warning } from './finding.ts'
import { failed } from './local-cluster.ts'
import type { CheckStep } from './step.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Wish {
  readonly setting: string
  /** What the value should be at least. */
  readonly atLeast: number
  readonly why: string
}

/** Broker settings that the protocol leans on (exactly-once.md 1: F9, F10). All have fitting defaults in Kafka. */
const WISHES: readonly Wish[] = [
  {
    setting: 'producer.id.expiration.ms',
    atLeast: HOUR_MS,
    why: 'records older than a quarter of it are written in transactions, which cost more',
  },
  {
    setting: 'transactional.id.expiration.ms',
    atLeast: DAY_MS,
    why: 'a gateway that is down for longer comes back with new producer ids',
  },
]
/** With three brokers and more; fewer cannot keep them. */
const REPLICATED_WISHES: readonly Wish[] = [
  {
    setting: 'transaction.state.log.replication.factor',
    atLeast: 3,
    why: 'takeovers wait while the coordinator of a partition has no replica left',
  },
]
const BROKERS_FOR_REPLICAS = 3

export const brokerSettings: CheckStep = {
  title: 'broker settings',
  async run({ cluster }) {
    if (cluster === undefined) return []
    try {
      const configs = await openTopicAdmin(cluster).brokerConfigs()
      const wishes = cluster.brokers.length < BROKERS_FOR_REPLICAS ? WISHES : [...WISHES, ...REPLICATED_WISHES]
      const findings = wishes.flatMap(wish => judge(wish, configs.get(wish.setting)))
      return findings.length > 0 ? findings : [ok('brokers', 'settings are as the gateway needs them')]
    } catch (error) {
      if (error instanceof KafkaFailure && error.kind === 'denied')
        return [
          warning(
            'brokers',
            'settings cannot be read',
            'allow DescribeConfigs on the cluster to have them checked (docs/permissions.md)',
          ),
        ]
      return [failed('brokers', error)]
    }
  },
}

function judge({ setting, atLeast, why }: Wish, value: string | undefined): Finding[] {
  if (value === undefined || Number(value) >= atLeast) return []
  return [warning('brokers', `${setting} is ${value}: ${why}`, `set it to ${atLeast} or more`)]
}
