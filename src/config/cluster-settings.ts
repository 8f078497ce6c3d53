import { readFileSync } from 'node:fs'
import type { ClusterConfig } from '../kafka/cluster-config.ts'
import type { GatewayConfig } from './schema.ts'

/** The part of the config that `kafka/` connects with; certificates are read here. */
export function clusterSettings({ dc, node, kafka }: GatewayConfig): ClusterConfig {
  const { tls, sasl } = kafka
  const pem = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file))
  return {
    brokers: kafka.brokers.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)),
    clientId: `isthmus-${dc}-${node}`,
    tls: tls && { ca: pem(tls.ca), cert: pem(tls.cert), key: pem(tls.key), servername: tls.serverName },
    sasl,
  }
}
