import type { LinkView, TopicView } from './ports.ts'

export const PAGE_ROWS_DEFAULT = 500
export const PAGE_ROWS_MAX = 5000

export interface PageRequest {
  readonly topic: string
  readonly partitions: boolean
  readonly pageSize: number
  readonly pageToken: string
}

export interface LinksPage {
  readonly links: readonly { readonly link: LinkView; readonly topics: readonly TopicView[] }[]
  readonly nextPageToken: string
}

/**
 * One page of topics in the order (origin, topic name). The token names the last topic of the page before, so topics
 * that come or go in between shift nothing. undefined: not a token of ours.
 */
export function pageOfLinks(links: readonly LinkView[], request: PageRequest): LinksPage | undefined {
  const after = request.pageToken === '' ? undefined : readToken(request.pageToken)
  if (after === null) return undefined
  const limit = request.pageSize === 0 ? PAGE_ROWS_DEFAULT : Math.min(request.pageSize, PAGE_ROWS_MAX)
  let rows = 0
  let last: Place | undefined
  let more = false
  const page = links
    .toSorted((a, b) => compare(a.origin, b.origin))
    .map(link => {
      const topics: TopicView[] = []
      for (const topic of link.topics.toSorted((a, b) => compare(a.topic, b.topic))) {
        if (request.topic !== '' && topic.topic !== request.topic) continue
        const place = { origin: link.origin, topic: topic.topic }
        if (after !== undefined && !isAfter(place, after)) continue
        if (rows >= limit) {
          more = true
          break
        }
        rows += 1 + (request.partitions ? topic.partitions.length : 0)
        topics.push(topic)
        last = place
      }
      return { link, topics }
    })
  return { links: page, nextPageToken: more && last !== undefined ? writeToken(last) : '' }
}

interface Place {
  readonly origin: string
  readonly topic: string
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isAfter(place: Place, after: Place): boolean {
  return (compare(place.origin, after.origin) || compare(place.topic, after.topic)) > 0
}

/** Neither a data center nor a topic name may contain a slash. */
function writeToken({ origin, topic }: Place): string {
  return Buffer.from(`${origin}/${topic}`).toString('base64url')
}

function readToken(token: string): Place | null {
  const parts = Buffer.from(token, 'base64url').toString().split('/')
  return parts.length === 2 ? { origin: parts[0]!, topic: parts[1]! } : null
}
