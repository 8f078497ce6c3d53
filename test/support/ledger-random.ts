/** A stream of random numbers fixed by its seed: the same seed gives the same data and the same schedule. */
export interface SeededRandom {
  /** In [0, 1). */
  next(): number
  /** An integer in [0, bound). */
  below(bound: number): number
  /** An integer in [low, high]. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** Bytes that no codec shortens. */
  bytes(length: number): Buffer
  /** A stream of its own for one user of the seed, so that one user's draws never move another's. */
  fork(name: string): SeededRandom
}

/** FNV-1a, 32 bits: turns a name into a seed. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** sfc32 (Doty-Humphrey, PractRand): small, fast, and of a quality that test data needs. */
export function seededRandom(seed: number): SeededRandom {
  let a = seed | 0
  let b = 0x9e3779b9
  let c = 0x243f6a88
  let counter = 1
  const nextUint = (): number => {
    const result = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result
    c |= 0
    return result >>> 0
  }
  for (let i = 0; i < 12; i++) nextUint()

  const next = () => nextUint() / 2 ** 32
  const below = (bound: number) => Math.floor(next() * bound)
  return {
    next,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: probability => next() < probability,
    pick: items => {
      if (items.length === 0) throw new RangeError('nothing to pick from')
      return items[below(items.length)] as (typeof items)[number]
    },
    bytes: length => {
      const bytes = Buffer.allocUnsafe(length)
      let at = 0
      for (; at + 4 <= length; at += 4) bytes.writeUInt32LE(nextUint(), at)
      for (; at < length; at++) bytes[at] = nextUint() & 0xff
      return bytes
    },
    fork: name => seededRandom((seed ^ hashOf(name)) | 0),
  }
}
