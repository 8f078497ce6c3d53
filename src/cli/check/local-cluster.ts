import { clusterSettings } from '../../config/cluster-settings.ts'
import { GatewayError, messageOf } from '../../errors.ts'
import { KafkaCluster } from '../../kafka/cluster.ts'
import { several } from '../text.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { CheckStep } from './step.ts'

/** Fewer brokers than this cannot keep three replicas of the registry. */
const BROKERS_WANTED = 3

/** Connects to the local cluster, which also negotiates versions with a broker. */
export const localCluster: CheckStep = {
  title: 'local cluster',
  async run(facts) {
    const { brokers } = facts.config.kafka
    const where = `kafka ${brokers.map(({ host, port }) => `${host}:${port}`).join(', ')}`
    try {
      const cluster = await KafkaCluster.connect(clusterSettings(facts.config))
      facts.cluster = cluster
      const count = cluster.brokers.length
      return [ok(where, `cluster ${cluster.clusterId}, ${several(count, 'broker')}`), ...(await everyBroker(cluster))]
    } catch (error) {
      return [failed(where, error)]
    }
  },
}

/** The gateway talks to every broker, by the address that the broker itself advertises. */
async function everyBroker(cluster: KafkaCluster): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { nodeId, host, port } of cluster.brokers) {
    try {
      await cluster.connection(nodeId, 'check')
    } catch (error) {
      const { what, whatToDo } = failed('', error)
      findings.push(
        problem(
          `broker ${nodeId}`,
          `advertises ${host}:${port}, where it cannot be used from here: ${what}`,
          whatToDo ?? 'check advertised.listeners of the broker',
        ),
      )
    }
  }
  if (cluster.brokers.length < BROKERS_WANTED)
    findings.push(
      warning(
        'cluster',
        `${cluster.brokers.length === 1 ? 'a single broker keeps' : 'two brokers keep'} less than three copies of the registry; losing it halts everything that leaves this data center`,
        'fine for trying things out; run three brokers or more in production',
      ),
    )
  return findings
}

/** An error as a finding. */
export function failed(where: string, error: unknown): Finding {
  if (error instanceof GatewayError) return problem(where, error.message, error.hint)
  return problem(where, messageOf(error))
}
