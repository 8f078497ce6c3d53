import { type AclOperation, Permissions } from '../../kafka/permissions.ts'
import { neverCrosses } from '../../route/topic-filter.ts'
import { TRANSACTIONAL_ID_PREFIX } from '../../route/transactional-id.ts'
import { stateTopics } from '../../state/topics.ts'
import { several } from '../text.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import { failed } from './local-cluster.ts'
import type { CheckFacts, CheckStep } from './step.ts'

/** The ACLs of docs/permissions.md, as far as a cluster can be asked about them without changing anything. */

/** Prefix of the consumer groups in which the nodes of a data center share lanes. */
export const GROUP_PREFIX = 'isthmus.'
/** Names that nobody uses, under the prefixes that the ACLs are on. */
const PROBE_NAME = 'check'

const ON_OWN_TOPICS: readonly AclOperation[] = ['Read', 'Write', 'Describe']
/** Of a topic that is fetched into this cluster. */
const ON_TARGETS: readonly AclOperation[] = ['Read', 'Write', 'Describe', 'DescribeConfigs', 'Alter']
/** Of a topic that others may fetch. */
const ON_SOURCES: readonly AclOperation[] = ['Read', 'Describe', 'DescribeConfigs']
/** Topics named one by one in the output; the rest is counted. */
const TOPICS_NAMED_MAX = 5

/** What does not depend on topics of applications. */
export const ownAccess: CheckStep = {
  title: 'permissions',
  async run({ cluster, config }) {
    if (cluster === undefined) return []
    const permissions = new Permissions(cluster)
    try {
      const onCluster = await permissions.onCluster()
      const own = stateTopics(config.flow.lanes, 1).map(topic => topic.name)
      const onTopics = await permissions.onTopics(own)
      const findings = [
        ...lacking(onTopics, () => ON_OWN_TOPICS),
        ...(onTopics.size < own.length && !onCluster.has('Create') ? [createMissing()] : []),
        ...(await idFindings(permissions)),
      ]
      return findings.length > 0
        ? findings
        : [ok('own topics, group and transactional.ids', 'all that is needed is allowed')]
    } catch (error) {
      return [failed('permissions', error)]
    }
  },
}

async function idFindings(permissions: Permissions): Promise<Finding[]> {
  const findings: Finding[] = []
  if (!(await permissions.mayUseTransactionalId(`${TRANSACTIONAL_ID_PREFIX}${PROBE_NAME}`)))
    findings.push(
      problem(
        `transactional.id ${TRANSACTIONAL_ID_PREFIX}*`,
        'Write and Describe are not allowed: nothing can be written',
        `kafka-acls.sh --add --allow-principal User:… --operation Write --operation Describe --transactional-id ${TRANSACTIONAL_ID_PREFIX} --resource-pattern-type prefixed`,
      ),
    )
  if (!(await permissions.mayJoinGroup(`${GROUP_PREFIX}${PROBE_NAME}`)))
    findings.push(
      problem(
        `group ${GROUP_PREFIX}*`,
        'Read and Describe are not allowed: lanes cannot be shared among nodes',
        `kafka-acls.sh --add --allow-principal User:… --operation Read --operation Describe --group ${GROUP_PREFIX} --resource-pattern-type prefixed`,
      ),
    )
  return findings
}

function createMissing(): Finding {
  return warning(
    'cluster',
    'Create is not allowed on the cluster: topics can only be created where an ACL on their name allows it',
    'allow Create on the cluster, or on topics by prefix; or create topics by hand (docs/permissions.md)',
  )
}

/** Topics of applications: those that would come, and those that others may fetch. */
export const topicAccess: CheckStep = {
  title: 'permissions on topics',
  async run(facts) {
    const { cluster, catalog } = facts
    if (cluster === undefined || catalog === undefined) return []
    const permissions = new Permissions(cluster)
    const targets = new Set(
      facts.verdicts.flatMap(({ crosses, target }) => (crosses && target !== undefined ? [target] : [])),
    )
    const sources = [...catalog.topics()]
      .map(topic => topic.name)
      .filter(name => !neverCrosses(name) && !name.startsWith('__'))
    try {
      const onTopics = await permissions.onTopics([...new Set([...targets, ...sources])])
      const findings = lacking(onTopics, topic => (targets.has(topic) ? targetOperations(facts) : ON_SOURCES))
      if (findings.length > 0) return findings
      return onTopics.size > 0 ? [ok(several(onTopics.size, 'topic'), 'all that is needed is allowed')] : []
    } catch (error) {
      return [failed('permissions', error)]
    }
  },
}

function targetOperations({ config }: CheckFacts): readonly AclOperation[] {
  return config.topics.follow === undefined ? ON_TARGETS : [...ON_TARGETS, 'AlterConfigs']
}

/** One finding per set of missing operations, so that one wrong ACL is one line. */
function lacking(
  onTopics: ReadonlyMap<string, ReadonlySet<AclOperation>>,
  needed: (topic: string) => readonly AclOperation[],
): Finding[] {
  const topicsByLack = new Map<string, string[]>()
  for (const [topic, allowed] of onTopics) {
    const lack = needed(topic).filter(operation => !allowed.has(operation))
    if (lack.length > 0) topicsByLack.set(lack.join(', '), [...(topicsByLack.get(lack.join(', ')) ?? []), topic])
  }
  return [...topicsByLack].map(([lack, topics]) => {
    const named = topics.slice(0, TOPICS_NAMED_MAX).join(', ')
    const more = topics.length > TOPICS_NAMED_MAX ? ` and ${topics.length - TOPICS_NAMED_MAX} more` : ''
    return problem(
      `topic ${named}${more}`,
      `${lack}: not allowed`,
      'add the ACL (docs/permissions.md), or leave the topic out',
    )
  })
}
