import { configOutline, type Outline } from './outline.ts'
import type { GatewayConfig } from './schema.ts'

const MASK = '***'

/** The config as it may be shown: every key that the schema calls secret is masked. */
export function maskSecrets(config: GatewayConfig): unknown {
  return masked(config, configOutline())
}

function masked(value: unknown, about: Outline | undefined): unknown {
  if (about?.secret && value !== undefined) return MASK
  if (Array.isArray(value)) return value.map(item => masked(item, about))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, about?.keys?.get(key))]))
}
