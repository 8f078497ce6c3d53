import type { GatewayConfig } from './schema.ts'

/** Config snapshots by subscription, so that a reload needs no restart. A snapshot never changes. */
export interface ConfigSource {
  current(): GatewayConfig
  /** Called with each later snapshot; returns how to stop listening. */
  subscribe(listener: (config: GatewayConfig) => void): () => void
}

/** A source whose owner replaces the snapshot. */
export interface ReplaceableConfig extends ConfigSource {
  replace(config: GatewayConfig): void
}

export function configSource(first: GatewayConfig): ReplaceableConfig {
  let snapshot = first
  const listeners = new Set<(config: GatewayConfig) => void>()
  return {
    current: () => snapshot,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    replace(config) {
      snapshot = config
      for (const listener of listeners) listener(config)
    },
  }
}
