/** Seeded randomness of a simulated run: everything that varies is drawn from one of these, so a seed is a whole run. */
export interface Random {
  /** In [0, 1). */
  next(): number
  /** Whole number in [0, below). */
  below(limit: number): number
  /** Whole number in [low, high]. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  /** A stream of its own: drawing from it does not disturb this one. */
  fork(name: string): Random
}

/** mulberry32: 32 bits of state, good enough to vary schedules, and fast. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: probability => next() < probability,
    fork: name => {
      let hash = seed >>> 0
      for (let i = 0; i < name.length; i++) hash = (Math.imul(hash ^ name.charCodeAt(i), 0x01000193) + 0x9e3779b9) >>> 0
      return seededRandom(hash)
    },
  }
}
