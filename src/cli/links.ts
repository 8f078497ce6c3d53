import type { Command } from 'commander'
import type { AdminClient } from '../admin/client.ts'
import { laneRanges } from '../route/lanes.ts'
import type {
  LinkAnswer,
  LinksAnswer,
  MemberAnswer,
  PartitionAnswer,
  StatusAnswer,
  TopicAnswer,
} from './admin-messages.ts'
import { type MergedLink, mergeLinks } from './links-merge.ts'
import { askAll, type NodeChoice, unreachedLines, withNodeOptions } from './nodes.ts'
import { EXIT, printJson, printLines } from './outcome.ts'
import { bytes, type Column, count, seconds, several, table, terminalWidth, wrap } from './text.ts'

interface LinksOptions extends NodeChoice {
  readonly topic?: string
  readonly partitions?: boolean
  readonly watch?: boolean
}

const HELP = `
A link is all records of one data center arriving at another: eu->us. Lag is
what the source has and the target has not: records, bytes (estimated), and
the age of the oldest one by the source's clock.

Examples:
  isthmus links                              links into the node on this machine
  isthmus links eu --partitions              only eu->…, each partition
  isthmus links --topic orders --json        for a script
  isthmus links --dir .isthmus/local --watch a live view of a local stack

Exit codes: 0 shown, 3 a node does not answer. With several nodes of a data
center their shares are summed up; lanes of nodes that were not asked, or do
not answer, are named.`

const WATCH_EVERY_MS = 2000
const CLEAR_SCREEN = '\u001b[H\u001b[J'

/** `isthmus links [origin]`: per link and topic lag, rate, path and breaker. */
export function register(program: Command): void {
  withNodeOptions(program.command('links').description('show links with lag, rate, path and breaker, by topic'))
    .argument('[origin]', 'only the links from this data center')
    .option('-t, --topic <name>', 'only this topic')
    .option('-p, --partitions', 'also each partition with its position')
    .option('-w, --watch', 'show again every two seconds until Ctrl-C')
    .addHelpText('after', HELP)
    .action(async (origin: string | undefined, options: LinksOptions) => {
      if (!options.watch) return show(origin, options, '')
      for (;;) {
        await show(origin, options, process.stdout.isTTY && !options.json ? CLEAR_SCREEN : '')
        await new Promise(resolve => setTimeout(resolve, WATCH_EVERY_MS))
      }
    })
}

async function show(origin: string | undefined, options: LinksOptions, before: string): Promise<void> {
  const { answers, unreached } = await askAll(options, client => linksOf(client, options))
  const wanted = origin?.split('->')[0]
  const links = mergeLinks(answers).filter(link => wanted === undefined || link.origin === wanted)
  if (options.json) printJson({ links, unreached })
  else printLines([`${before}${screen(links, wanted)}`])
  for (const line of unreachedLines(unreached)) console.error(`error: ${line}`)
  if (unreached.length > 0) process.exitCode = EXIT.unreachable
}

function screen(links: readonly MergedLink[], wanted: string | undefined): string {
  if (links.length === 0) return wanted === undefined ? 'no inbound links' : `no link from ${wanted}`
  return links.map(link => linkLines(link, Date.now()).join('\n')).join('\n\n')
}

/** All pages of one node. */
async function linksOf(client: AdminClient, { topic = '', partitions = false }: LinksOptions) {
  const { node } = await client.call<StatusAnswer>('GetStatus')
  let members: MemberAnswer[] = []
  const links = new Map<string, LinkAnswer>()
  let pageToken = ''
  do {
    const page = await client.call<LinksAnswer>('ListLinks', { topic, partitions, pageToken })
    for (const link of page.links) {
      const known = links.get(link.link)
      if (known === undefined) links.set(link.link, link)
      else known.topics.push(...link.topics)
    }
    pageToken = page.nextPageToken
    members = page.members
  } while (pageToken !== '')
  return { node, links: [...links.values()], members }
}

/** One link as text: a headline, what is wrong, its topics. */
export function linkLines(link: MergedLink, nowMs: number, width = terminalWidth()): string[] {
  const path = pathText(link.path)
  const shares = link.nodes.length > 1 ? ` (${link.nodes.map(({ node, lanes }) => `${node} ${lanes}`).join(', ')})` : ''
  const lines = [
    `${link.link}  ${link.state}  ${path}  breaker ${link.breaker.state}  lanes ${link.lanesOwned.length}/${link.lanesTotal}${shares}`,
  ]
  const note = (text: string) => lines.push(...wrap(text, width, '  '))
  for (const { node, lanes: theirs } of link.others) note(`not shown: lanes ${laneRanges(theirs)}, which ${node} has`)
  if (link.unowned.length > 0) note(`no node has lanes ${laneRanges(link.unowned)}: they are on their way to another`)
  if (link.reason !== '' && link.reason !== link.breaker.reason) note(`${link.state}: ${link.reason}`)
  if (link.breaker.state !== 'closed') {
    const since = seconds(Math.max(0, (nowMs - link.breaker.sinceMs) / 1000))
    note(`breaker ${link.breaker.state} for ${since}${link.breaker.reason === '' ? '' : `: ${link.breaker.reason}`}`)
  }
  const crossing = link.topics.filter(topic => topic.refused === '')
  if (crossing.length > 0) lines.push(...table(TOPIC_COLUMNS, [...crossing, ...totalRow(link, crossing)], width, '  '))
  else note('no topics')
  for (const topic of crossing) lines.push(...partitionLines(topic, width))
  const refused = link.topics.filter(topic => topic.refused !== '')
  for (const topic of refused.slice(0, REFUSED_SHOWN_MAX)) note(`not replicated: ${topic.topic}: ${topic.refused}`)
  const more = refused.length - REFUSED_SHOWN_MAX
  if (more > 0) note(`not replicated: ${several(more, 'other topic')}; --topic NAME or --json says why`)
  return lines
}

/** Topics listed as not replicated; a link may have thousands that nobody wants. */
const REFUSED_SHOWN_MAX = 10

function pathText(path: readonly string[]): string {
  if (path.length === 0) return 'no path now'
  return path.length === 1 ? 'direct' : `via ${path.slice(1).join(', ')}`
}

type TopicRow = Pick<TopicAnswer, 'topic' | 'targetTopic' | 'lag' | 'rate' | 'counts'>

const TOPIC_COLUMNS: Column<TopicRow>[] = [
  {
    title: 'TOPIC',
    of: ({ topic, targetTopic }) => (topic === targetTopic ? topic : `${topic} as ${targetTopic}`),
    shrinks: true,
  },
  { title: 'PARTITIONS', of: ({ counts }) => countsText(counts) },
  { title: 'LAG', of: ({ lag }) => count(lag.records), align: 'right' },
  { title: 'BYTES', of: ({ lag }) => bytes(lag.bytes), align: 'right' },
  { title: 'AGE', of: ({ lag }) => seconds(lag.seconds), align: 'right' },
  { title: 'RECORDS/S', of: ({ rate }) => count(rate.recordsPerSecond), align: 'right' },
  { title: 'BYTES/S', of: ({ rate }) => bytes(rate.bytesPerSecond), align: 'right' },
]

/** `6` when all run, else `4/6 running`; which are halted, and why, stands below the table. */
function countsText(counts: TopicRow['counts']): string {
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0)
  return counts.running === total ? `${total}` : `${counts.running}/${total} running`
}

function totalRow(link: MergedLink, topics: readonly TopicAnswer[]): TopicRow[] {
  if (topics.length < 2) return []
  return [
    {
      topic: `(${several(topics.length, 'topic')})`,
      targetTopic: `(${several(topics.length, 'topic')})`,
      lag: link.lag,
      rate: link.rate,
      counts: link.partitions,
    },
  ]
}

const PARTITION_COLUMNS: Column<PartitionAnswer>[] = [
  { title: 'PARTITION', of: ({ partition }) => `${partition}`, align: 'right' },
  { title: 'STATE', of: ({ state }) => (state === 'halted' ? 'HALTED' : state) },
  { title: 'LANE', of: ({ lane }) => `${lane}`, align: 'right' },
  { title: 'POSITION', of: ({ position }) => `${position}`, align: 'right' },
  { title: 'SOURCE END', of: ({ highWatermark }) => `${highWatermark}`, align: 'right' },
  { title: 'WRITES', of: ({ mode }) => mode },
]

function partitionLines({ topic, partitions }: TopicAnswer, width: number): string[] {
  if (partitions.length === 0) return []
  const reasons = partitions
    .filter(({ reason }) => reason !== '')
    .flatMap(({ partition, reason, code }) =>
      wrap(`${topic}[${partition}] ${code === '' ? '' : `${code}: `}${reason}`, width, '    '),
    )
  if (partitions.every(({ state }) => state === 'halted')) return ['  halted:', ...reasons]
  return [`  ${topic}:`, ...table(PARTITION_COLUMNS, partitions, width, '    '), ...reasons]
}
