import { systemClock } from '../../component.ts'
import { openTopicAdmin } from '../../kafka/topic-admin.ts'
import { LocalCatalog } from '../../topics/local-catalog.ts'
import { ownAccess, topicAccess } from './access.ts'
import { brokerSettings } from './broker-settings.ts'
import { failed, localCluster } from './local-cluster.ts'
import { ownTopics } from './own-topics.ts'
import { peers } from './peers.ts'
import type { CheckStep } from './step.ts'
import { inbound, outbound } from './topics.ts'

/** What exists in the local cluster, for the steps after it. */
const localTopics: CheckStep = {
  title: 'local cluster',
  async run(facts) {
    if (facts.cluster === undefined) return []
    const catalog = new LocalCatalog({ admin: openTopicAdmin(facts.cluster), clock: systemClock, onTrouble: () => {} })
    try {
      await catalog.refresh()
      facts.catalog = catalog
      return []
    } catch (error) {
      return [failed('topics', error)]
    }
  },
}

/** In the order in which they run and are shown; each builds on the facts of those before it. */
export const CHECK_STEPS: readonly CheckStep[] = [
  localCluster,
  localTopics,
  brokerSettings,
  ownAccess,
  ownTopics,
  peers,
  inbound,
  outbound,
  topicAccess,
]
