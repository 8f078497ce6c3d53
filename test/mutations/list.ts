/**
 * The rules of the protocol (exactly-once.md), each with a change that takes it out and the test that must fail then.
 * A rule whose test still passes is not tested; a change that no longer applies has to follow the code.
 */
export interface Mutation {
  readonly rule: string
  readonly file: string
  /** [what stands there, exactly once; what is put in its place] */
  readonly edits: readonly (readonly [string, string])[]
  readonly test: { readonly file: string; readonly name: string }
  /** Runs of the simulation until it must have been noticed. */
  readonly simulatedRuns?: number
  /** Needs real brokers: left out unless asked for. */
  readonly live?: boolean
}

const SIMULATION = 'test/unit/simulation/takeover.test.ts'
const RULES = 'test/unit/simulation/rules.test.ts'

const rough = { file: SIMULATION, name: 'deaths, pauses, rivals' }
const compacted = { file: SIMULATION, name: 'a compacted topic, in transactions' }
const quiet = { file: SIMULATION, name: 'so quiet that producers' }
const unclean = { file: SIMULATION, name: 'unclean elections$' }
const uncleanTransactions = { file: SIMULATION, name: 'unclean elections under transactions' }

const FENCE = 'src/ingest/fence.ts'
const TAIL = 'src/ingest/tail.ts'
const TAKEOVER = 'src/ingest/takeover.ts'
const TRANSACTION = 'src/ingest/transaction-run.ts'
const WRITER = 'src/ingest/partition-writer.ts'

const MARKER_WAIT: readonly [string, string] = [
  `const [marker] = await Promise.all(
      fenced.map((one, i) => awaitMarker(target, ports.clock, one, ends[i]!.endOffset, identity)),
    )`,
  'const marker = { offset: (await target.offsets(partition)).endOffset }',
]

export const MUTATIONS: readonly Mutation[] = [
  {
    rule: 'T2, T3: an empty aborted transaction fences the writer before',
    file: FENCE,
    edits: [
      [
        'await target.addPartitionsToTxn(id, identity, fenced)\n    await endTransaction(target, id, identity, false)',
        'void ends',
      ],
      MARKER_WAIT,
    ],
    test: rough,
  },
  {
    rule: 'T4: the marker must be readable before the tail is read',
    file: FENCE,
    edits: [['    const ends = await', '    await'], MARKER_WAIT],
    test: rough,
  },
  {
    rule: 'T1: a producerId is registered before anything else',
    file: FENCE,
    edits: [['await registry.register({ ...partition, producerId: identity.producerId, generation })', '']],
    test: { file: 'test/unit/ingest/fence.test.ts', name: 'registered before anything' },
  },
  {
    rule: 'T1: takeovers of one partition are paced',
    file: WRITER,
    edits: [
      ['ours ? waitBeforeTakeoverMs(this.#pace, this.clock.monotonicMs()) : OWNER_POLL_MS', 'ours ? 0 : OWNER_POLL_MS'],
    ],
    test: { file: RULES, name: 'two owners for ever' },
  },
  {
    rule: 'T5: the position is read behind the fence, from the log',
    file: TAIL,
    edits: [
      [
        'const last = log.committed.at(-1)\n  const standing = last ?',
        'const last = log.committed.at(-1)\n  const standing = last && Number.isNaN(last.baseOffset) ?',
      ],
    ],
    test: rough,
  },
  {
    rule: 'T5: a batch that does not continue its predecessor halts',
    file: TAIL,
    edits: [['if (expected !== undefined && batch.position.from !== expected)', 'if (expected === null)']],
    test: { file: RULES, name: 'a hole in what we wrote' },
  },
  {
    rule: 'T5: the checkpoint of a newer run ends an older takeover',
    file: TAIL,
    edits: [['  if (newer)\n', '  if (newer && Number.isNaN(newer.position))\n']],
    test: rough,
    simulatedRuns: 400,
  },
  {
    rule: 'T6: the checkpoint is durable before data is written',
    file: WRITER,
    edits: [
      [
        'await this.#pacing.saveNow(this.#checkpoint())\n    await this.checkpoints.remove',
        'await this.checkpoints.remove',
      ],
    ],
    test: { file: RULES, name: 'the first position ever' },
  },
  {
    rule: '2.1: sequence 0 only after T1',
    file: 'src/ingest/plain-run.ts',
    edits: [['firstSequence: this.#nextSequence', 'firstSequence: 0']],
    test: { file: SIMULATION, name: 'too large' },
  },
  {
    rule: '2.1: known state before the first send on a connection',
    file: 'src/kafka/known-state.ts',
    edits: [['if (state === undefined) return `', 'if (state === undefined) return undefined && `']],
    test: { file: 'test/unit/kafka/writer-rules.test.ts', name: 'a log without our state' },
  },
  {
    rule: '2.1: known state shows the last acknowledged sequence',
    file: 'src/kafka/known-state.ts',
    edits: [
      [
        'if (ahead <= distance(run.lastAckedSequence, run.lastSentSequence)) return undefined',
        'if (ahead >= 0) return undefined',
      ],
    ],
    test: { file: 'test/unit/kafka/writer-rules.test.ts', name: 'a log without our state' },
  },
  {
    rule: '2.1: known state is asked for',
    file: 'src/kafka/partition-appender.ts',
    edits: [['if (wrong !== undefined)', 'if (wrong === null)']],
    test: { file: 'test/integration/kafka-writer.test.ts', name: 'a log that holds nothing of us' },
    live: true,
  },
  {
    rule: '2.1: an answer at or below an offset that was ours is an alarm',
    file: 'src/kafka/partition-appender.ts',
    edits: [['} else if (baseOffset <= this.lastKnownOffset) {', '} else if (Number.isNaN(baseOffset)) {']],
    test: { file: 'test/integration/kafka-writer.test.ts', name: 'an answer at or below an offset' },
    live: true,
  },
  {
    rule: '2.2: old data is written in transactions',
    file: WRITER,
    edits: [
      ["if (mode !== 'plain' || !this.feed.oldDataNext(this.#oldBeforeMs())) return undefined", 'return undefined'],
      [
        "frame => mode === 'plain' && holdsOldData(frame, oldBeforeMs)",
        '() => holdsOldData({ batches: [] } as never, oldBeforeMs)',
      ],
      ['return batch.maxTimestampMs < this.#oldBeforeMs()', 'return Number.isNaN(batch.maxTimestampMs)'],
    ],
    test: { file: RULES, name: 'old data is written in transactions' },
  },
  {
    rule: '2.2: transactions run in a second epoch, which carries no ABORT',
    file: TAKEOVER,
    edits: [
      [
        'return { taken: { fenced: await secondEpoch(fenced, target), mode }, standing, superseded }',
        'return { taken: { fenced, mode }, standing, superseded }',
      ],
    ],
    test: compacted,
    simulatedRuns: 3_000,
  },
  {
    rule: '2.2: the second epoch follows the fence’s directly',
    file: TAKEOVER,
    edits: [[' && identity.producerEpoch === producerEpoch + 1', '']],
    test: compacted,
    simulatedRuns: 400,
  },
  {
    rule: '2.2: a commit counts only when its markers are readable',
    file: TRANSACTION,
    edits: [
      [
        'const marker = await awaitMarker(target, clock, partition, fromOffset, this.#taken.fenced.identity)',
        'const marker = { committed: target !== undefined && clock !== undefined, offset: fromOffset }',
      ],
    ],
    test: compacted,
    simulatedRuns: 400,
  },
  {
    rule: '2.2: an unconfirmed progress record holds only if its transaction was committed',
    file: TAIL,
    edits: [
      [
        'const holds = intactTo > lastTargetOffset && progressHolds(unconfirmed, log)',
        'const holds = intactTo > lastTargetOffset',
      ],
    ],
    test: compacted,
  },
  {
    rule: '2.2: nor does it hold where the log was cut below it',
    file: TAIL,
    edits: [['if (intactTo < firstTargetOffset) return standing', '']],
    test: uncleanTransactions,
    simulatedRuns: 400,
  },
  {
    rule: '2.2: no ABORT in a running epoch',
    file: 'src/ingest/upkeep.ts',
    edits: [
      [
        'return await endTransaction(target, fenced.transactionalId, fenced.identity, true)',
        'return await endTransaction(target, fenced.transactionalId, fenced.identity, false)',
      ],
    ],
    test: { file: RULES, name: 'no late copy of a marker' },
  },
  {
    rule: '2.3: the covered ranges of batches continue one another over holes',
    file: 'src/record/transform.ts',
    edits: [['const next = exhausted ? input.next : output.lastOrigin + 1', 'const next = output.lastOrigin + 1']],
    test: rough,
  },
  {
    rule: '2.3: a frame that does not continue our position is refused',
    file: 'src/ingest/inbox.ts',
    edits: [['if (frame.from > inbox.receivedNext)', 'if (Number.isNaN(frame.from))']],
    test: { file: RULES, name: 'a frame that leaves a hole' },
  },
  {
    rule: '2.4: a checkpoint whose batch is gone is discarded',
    file: TAIL,
    edits: [
      [
        'if (targetOffset >= offsets.endOffset) return undefined',
        'if (targetOffset >= offsets.endOffset) return scanFrom',
      ],
      ['if (!compactedAway) return undefined', 'if (!compactedAway) return scanFrom'],
    ],
    test: unclean,
  },
  {
    rule: '2.4: and nothing of it holds but the start',
    file: TAIL,
    edits: [['fromLog(last, undefined, fenced, offsets)', 'fromLog(last, confirmed, fenced, offsets)']],
    test: unclean,
  },
  {
    rule: '2.4: a checkpoint of a transaction needs the marker that made it count',
    file: TAIL,
    edits: [
      [
        'if (!changedBelowScan) return scanFrom\n',
        'if (Number.isFinite(marker)) return changedBelowScan ? named.nextOffset : scanFrom\n',
      ],
    ],
    test: uncleanTransactions,
    simulatedRuns: 400,
  },
  {
    rule: '2.5: a first-seen producerId is local only after the registry was read to its end',
    file: 'src/egress/origin-decisions.ts',
    edits: [['if (writer === undefined && !this.#applications.has(producerId)) return ASK_REGISTRY', '']],
    test: { file: 'test/integration/egress.test.ts', name: 'never sends a replica back' },
    live: true,
  },
  {
    rule: '2.5: registry and position headers must agree',
    file: 'src/egress/origin-decisions.ts',
    edits: [["if (why !== undefined) return { kind: 'broken', why }", '']],
    test: { file: 'test/integration/egress.test.ts', name: 'stops where the registry does not know a writer of ours' },
    live: true,
  },
  {
    rule: '2.6: an epoch near its end fences and never writes',
    file: FENCE,
    edits: [['if (identity.producerEpoch < EPOCH_RETIRE)', 'if (identity.producerEpoch < EPOCH_RETIRE * 2)']],
    test: { file: SIMULATION, name: 'epochs that run out' },
  },
  {
    rule: '2.6: a transactional.id that was forgotten is never used again',
    file: FENCE,
    edits: [
      ['if (known.length > 0 && (await target.describeTransaction(id)) === undefined)', 'if (known.length < 0)'],
      [
        'if (known.length > 0) throw unexpectedProducerId(partition, id)',
        'if (known.length < 0) throw unexpectedProducerId(partition, id)',
      ],
      ['if ((await target.describeTransaction(id)) !== undefined) return\n', 'if (id !== undefined) return\n'],
    ],
    test: quiet,
    simulatedRuns: 400,
  },
  {
    rule: 'an idle partition notices a log that was cut',
    file: 'src/ingest/upkeep.ts',
    edits: [['if (intactTo >= scanFrom) return\n', 'if (intactTo >= 0) return\n']],
    test: { file: RULES, name: 'what was acknowledged and lost' },
  },
  {
    rule: 'batches of aborted transactions never leave',
    file: 'src/record/committed-scan.ts',
    edits: [['this.abortedProducers.add(', 'this.abortedProducers.delete(']],
    test: { file: 'test/unit/record/committed-scan.test.ts', name: '' },
  },
  {
    rule: 'a path that comes back to where the records were is refused',
    file: 'src/route/paths.ts',
    edits: [['if (seen.has(fetcher) || seen.size !== path.via.length)', 'if (seen.size !== path.via.length)']],
    test: { file: 'test/unit/route/paths.test.ts', name: 'is a loop' },
  },
  {
    rule: 'a path has at most maxReplicationHops',
    file: 'src/route/paths.ts',
    edits: [['if (path.via.length > maxReplicationHops)', 'if (path.via.length > maxReplicationHops + 1)']],
    test: { file: 'test/unit/route/paths.test.ts', name: 'along a chain' },
  },
]
