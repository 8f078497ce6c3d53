import type { GatewayConfig } from '../../config/schema.ts'
import { linkName } from '../../route/names.ts'
import { judgeFirstStart, startChooser } from '../../route/start-policy.ts'
import { neverCrosses, residencyFilter, wishFilter } from '../../route/topic-filter.ts'
import { type FollowSettings, planTopic, type TopicPlan } from '../../topics/decide.ts'
import type { LocalTopic } from '../../topics/local-catalog.ts'
import { several } from '../text.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { CheckFacts, CheckStep, Offer } from './step.ts'
import { type ContentsJudge, openContentsJudge } from './target-contents.ts'

/** What would be fetched, topic by topic, by the decisions that the gateway itself takes. */
export const inbound: CheckStep = {
  title: 'topics fetched',
  async run(facts) {
    const { catalog, config, cluster } = facts
    if (catalog === undefined || cluster === undefined || facts.offers.length === 0) return []
    const findings: Finding[] = []
    const contents = await openContentsJudge(cluster)
    try {
      for (const offer of facts.offers) {
        const settings = followSettings(config, offer.origin)
        for (const topic of offer.topics.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
          const plan = planTopic(topic, settings, name => catalog.get(name))
          const target = targetOf(plan)
          const local = target === undefined ? undefined : catalog.get(target)
          const doubled = local === undefined ? undefined : await wouldDouble(contents, settings, topic.name, local)
          findings.push(...take(facts, offer, topic.name, plan, doubled))
        }
        const crossing = facts.verdicts.filter(
          ({ link, crosses }) => crosses && link === linkName(offer.origin, config.dc),
        )
        const where = linkName(offer.origin, config.dc)
        if (crossing.length > 0)
          findings.unshift(ok(where, `${crossing.length} of ${several(offer.topics.length, 'topic')} would be fetched`))
        else
          findings.unshift(
            warning(
              where,
              `none of the ${several(offer.topics.length, 'topic')} of ${offer.origin} would be fetched`,
              'see the reasons below, and topics.include',
            ),
          )
      }
    } finally {
      await contents.close()
    }
    return findings
  },
}

/** Records the verdict; refusals that somebody may not expect are findings too. */
function take(
  facts: CheckFacts,
  { origin }: Offer,
  topic: string,
  plan: TopicPlan,
  doubled: Doubling | undefined,
): Finding[] {
  const link = linkName(origin, facts.config.dc)
  const where = `${link} ${topic}`
  if (plan.kind === 'refuse') {
    facts.verdicts.push({ link, topic, crosses: false, why: plan.why })
    return plan.reason === 'wish' ? [] : [warning(where, plan.why)]
  }
  const target = targetOf(plan)
  if (doubled !== undefined) {
    facts.verdicts.push({ link, topic, crosses: false, target, why: doubled.why })
    return [problem(where, doubled.why, doubled.hint)]
  }
  facts.verdicts.push({ link, topic, crosses: true, target, why: whatHappens(plan) })
  const differences = plan.kind === 'follow' ? plan.differences : []
  return differences.map(({ name, origin: there, here }) =>
    warning(
      where,
      `${name} is ${here ?? 'unset'} here and ${there} in ${origin}`,
      'set topics.follow to copy changes, or leave it: configs are copied at creation only',
    ),
  )
}

function targetOf(plan: TopicPlan): string | undefined {
  if (plan.kind === 'create') return plan.topic.name
  return plan.kind === 'refuse' ? undefined : plan.target
}

function whatHappens(plan: Exclude<TopicPlan, { kind: 'refuse' }>): string {
  switch (plan.kind) {
    case 'create':
      return `${plan.why}; would be created here with ${several(plan.topic.partitions, 'partition')}`
    case 'grow':
      return `would be grown here to ${plan.to} partitions, since ${plan.why}`
    case 'follow':
      return plan.why
  }
}

interface Doubling {
  readonly why: string
  readonly hint: string
}

/** Would a first start double what was mirrored before? Not asked for what a gateway has fetched already. */
async function wouldDouble(
  contents: ContentsJudge,
  settings: FollowSettings,
  topic: string,
  local: LocalTopic,
): Promise<Doubling | undefined> {
  const choice = settings.startOf(topic)
  if (choice.start.kind !== 'earliest' || choice.confirmed) return undefined
  const verdict = judgeFirstStart(topic, choice, await contents.wouldDouble(settings.origin, local))
  return verdict.kind === 'refused' ? verdict : undefined
}

/** What others may fetch from here, by the rules of this config. */
export const outbound: CheckStep = {
  title: 'topics given',
  async run({ catalog, config }) {
    if (catalog === undefined) return []
    const mayFetch = residencyFilter(config.topics)
    const names = [...catalog.topics()].map(topic => topic.name).filter(name => !neverCrosses(name))
    return config.peers.map(({ dc }) => {
      const given = names.filter(name => mayFetch(name, dc).kind === 'crosses').length
      return ok(`to ${dc}`, `${given} of ${several(names.length, 'topic')} may be fetched by ${dc}`)
    })
  },
}

function followSettings({ dc, peers, topics }: GatewayConfig, origin: string): FollowSettings {
  return {
    origin,
    dcs: [dc, ...peers.map(peer => peer.dc)],
    renameTemplate: topics.rename,
    wish: wishFilter(topics),
    startOf: startChooser(topics.start),
    onTargetRecreated: topics.onTargetRecreated,
    copyConfigs: topics.follow === origin,
  }
}
