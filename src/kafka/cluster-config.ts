export interface TlsSettings {
  /** PEM; the system's authorities when absent. */
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly passphrase?: string
  /** Name in the brokers' certificates where it is not the host name. */
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface SaslSettings {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly username: string
  readonly password: string
}

/** How to reach one Kafka cluster. */
export interface ClusterConfig {
  /** Bootstrap list, `host:port`; IPv6 as `[::1]:9092`. */
  readonly brokers: readonly string[]
  /** Shows in the brokers' logs and quotas. */
  readonly clientId: string
  readonly tls?: TlsSettings
  readonly sasl?: SaslSettings
}
