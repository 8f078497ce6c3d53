import { CALM_CLUSTER, type ClusterOptions } from './cluster.ts'
import type { NetworkFaults } from './network.ts'
import type { Rates, Scenario } from './world.ts'

/** The rough weathers that takeover is sailed through. What each is about stands at its name. */

const NETWORK: NetworkFaults = {
  maxDelayMs: 12,
  slowChance: 0.02,
  slowMaxMs: 3_000,
  lostAnswerChance: 0.02,
  brokenChance: 0.02,
  lostRequestChance: 0.01,
}

const CLUSTER: ClusterOptions = {
  ...CALM_CLUSTER,
  markers: { maxDelayMs: 200, repeatChance: 0.2, repeatMaxDelayMs: 20_000, whenLeaderless: 'drop' },
  replicationMaxMs: 20,
}

const RATES: Rates = {
  kill: 4,
  stop: 2,
  rival: 3,
  cutSession: 4,
  failOver: 3,
  uncleanElection: 0,
  belowMinIsr: 1,
  coordinatorDown: 1,
  localRecord: 10,
}

const PLAIN: Scenario = {
  isolation: 'read_uncommitted',
  compacted: false,
  source: { records: 100, overMs: 60_000, holeChance: 0.2, old: { chance: 0, ageMs: 0 } },
  cluster: CLUSTER,
  network: NETWORK,
  rates: RATES,
  overlapMs: 20_000,
  roughForMs: 60_000,
  alarmAllowed: false,
}

const OLD_DATA: Scenario = {
  ...PLAIN,
  isolation: 'read_committed',
  cluster: { ...CLUSTER, producerIdExpirationMs: 60_000 },
  source: { ...PLAIN.source, old: { chance: 0.3, ageMs: 120_000 } },
}

const COMPACTED: Scenario = { ...PLAIN, isolation: 'read_committed', compacted: true }

/** Acked data is lost: what went in between a check and a send is noticed afterwards, and may halt (exactly-once.md 3). */
const UNCLEAN = { rates: { ...RATES, uncleanElection: 1 }, alarmAllowed: true }

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'deaths, pauses, rivals, lost answers, late packets, failovers': PLAIN,
  'the same where markers wait for a leader (before 4.3)': {
    ...PLAIN,
    cluster: { ...CLUSTER, markers: { ...CLUSTER.markers, whenLeaderless: 'wait' } },
  },
  'a compacted topic, in transactions': COMPACTED,
  'stretches of old data, in and out of transactions': OLD_DATA,
  'so quiet that producers and transactional ids expire': {
    ...PLAIN,
    isolation: 'read_committed',
    source: { ...PLAIN.source, records: 20, overMs: 200_000 },
    cluster: {
      ...CLUSTER,
      producerIdExpirationMs: 20_000,
      coordinator: { ...CLUSTER.coordinator, idExpirationMs: 40_000 },
    },
    rates: { ...RATES, kill: 1, stop: 0.5, rival: 0.5, cutSession: 1 },
    // an expired id is taken over only by who is alone for a session time-out
    overlapMs: 4_000,
    roughForMs: 200_000,
  },
  'epochs that run out': {
    ...PLAIN,
    cluster: { ...CLUSTER, coordinator: { ...CLUSTER.coordinator, firstEpoch: 31_996, lastEpoch: 32_010 } },
  },
  'batches that the target refuses as too large': {
    ...PLAIN,
    source: { ...PLAIN.source, overMs: 6_000 },
    roughForMs: 30_000,
    maxBatchBytes: 1_100,
  },
  'unclean elections': { ...PLAIN, ...UNCLEAN },
  'unclean elections under transactions': { ...COMPACTED, ...UNCLEAN },
  'unclean elections under old data': { ...OLD_DATA, ...UNCLEAN },
}
