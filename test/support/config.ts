import { parseConfig } from '../../src/config/load.ts'
import type { GatewayConfig } from '../../src/config/schema.ts'

/** The smallest config of `us` with a peer `eu`, and `topics` as they stand in the file (YAML in one line). */
export function configOf(topics = '{ include: ["*"] }'): GatewayConfig {
  const reading = parseConfig(`
dc: us
node: us-1
kafka: { brokers: ["127.0.0.1:9092"] }
tls: none
peers: [{ dc: eu, addresses: ["127.0.0.1:7400"] }]
topics: ${topics}
`)
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems))
  return reading.config
}
