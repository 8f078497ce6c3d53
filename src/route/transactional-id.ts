/** The transactional.id of one partition of a link: the unit of fencing (exactly-once.md 2). */
export interface WriterName {
  readonly origin: string
  /** Topic name in the target cluster: one id for one target partition, also when a rename template changes. */
  readonly topic: string
  readonly partition: number
  /** Raised when the epochs of an id are used up (F12). */
  readonly generation: number
}

/** All our ids begin so; the ACL on TransactionalId is `Prefixed isthmus.`. */
export const TRANSACTIONAL_ID_PREFIX = 'isthmus.'

const SHAPE = /^isthmus\.([a-z0-9-]+)\.(.+)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/

/** `isthmus.<origin>.<topic>.<partition>.<generation>`. */
export function transactionalId(writer: WriterName): string {
  return `${TRANSACTIONAL_ID_PREFIX}${writer.origin}.${writer.topic}.${writer.partition}.${writer.generation}`
}

/** The inverse; undefined for ids that are not ours. Unambiguous: origins have no dots, the last two parts are numbers. */
export function parseTransactionalId(id: string): WriterName | undefined {
  const found = SHAPE.exec(id)
  if (found === null) return undefined
  const partition = Number(found[3])
  const generation = Number(found[4])
  if (!Number.isSafeInteger(partition) || !Number.isSafeInteger(generation)) return undefined
  return { origin: found[1]!, topic: found[2]!, partition, generation }
}
