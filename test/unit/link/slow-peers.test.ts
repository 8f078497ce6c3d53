import { expect, test } from 'vitest'
import { DEFAULT_BREAKER_SETTINGS } from '../../../src/link/breaker-policy.ts'
import { SlowPeers } from '../../../src/link/slow-peers.ts'

test('a peer that takes nothing waits longer each time, others not at all, and what it takes clears it', () => {
  const peers = new SlowPeers({ ...DEFAULT_BREAKER_SETTINGS, retryAfterMs: 1_000 }, () => 1)
  peers.stalled('us', 0)
  expect(peers.pauseMs('us', 0)).toBe(1_000)
  expect(peers.pauseMs('ap', 0)).toBe(0)
  expect(peers.pauseMs('us', 1_000)).toBe(0)
  peers.stalled('us', 2_000)
  expect(peers.pauseMs('us', 2_000)).toBe(2_000)
  expect(peers.pauseMs('us', 4_000)).toBe(0)
  peers.took('us', 4_100)
  peers.stalled('us', 5_000)
  expect(peers.pauseMs('us', 5_000)).toBe(1_000)
})
