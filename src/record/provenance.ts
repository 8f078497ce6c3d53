/** Names of the record headers that say where a record comes from (design.md: provenance). */

/** Origin data center, UTF-8. */
export const SOURCE_DC = 'source-dc'
/** One per hop: Unix ms as decimal text at the gateway that wrote the copy. Their number is the hop count. */
export const REPLICATED_AT = 'replicated-at'
/** On the last record of each batch a gateway writes: see `position.ts`. */
export const ISTHMUS_POSITION = 'isthmus-position'

/** What a record header's key means to the gateway; `other` belongs to the application. */
export type HeaderKind = 'other' | 'source-dc' | 'replicated-at' | 'isthmus-position'

const SOURCE_DC_KEY = Buffer.from(SOURCE_DC)
const REPLICATED_AT_KEY = Buffer.from(REPLICATED_AT)
const POSITION_KEY = Buffer.from(ISTHMUS_POSITION)

/** Kind of the header whose key stands in [at, at + length). The three keys differ in length, so most cost one compare. */
export function headerKindAt(buffer: Buffer, at: number, length: number): HeaderKind {
  switch (length) {
    case SOURCE_DC_KEY.length:
      return equalAt(buffer, at, SOURCE_DC_KEY) ? SOURCE_DC : 'other'
    case REPLICATED_AT_KEY.length:
      return equalAt(buffer, at, REPLICATED_AT_KEY) ? REPLICATED_AT : 'other'
    case POSITION_KEY.length:
      return equalAt(buffer, at, POSITION_KEY) ? ISTHMUS_POSITION : 'other'
    default:
      return 'other'
  }
}

function equalAt(buffer: Buffer, at: number, key: Buffer): boolean {
  for (let index = 0; index < key.length; index++) {
    if (buffer[at + index] !== key[index]) return false
  }
  return true
}

interface NamedHeader {
  readonly key: string
}

/** How many gateways a record has passed. */
export function hopCount(headers: readonly NamedHeader[]): number {
  let hops = 0
  for (const header of headers) if (header.key === REPLICATED_AT) hops++
  return hops
}

/** The headers an application wrote, in order: everything but provenance. */
export function withoutProvenance<H extends NamedHeader>(headers: readonly H[]): H[] {
  return headers.filter(({ key }) => key !== SOURCE_DC && key !== REPLICATED_AT && key !== ISTHMUS_POSITION)
}
