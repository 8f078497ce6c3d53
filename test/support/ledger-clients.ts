import { spawn, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { tools } from '../../deploy/local/paths.ts'
import { javaClassPath, runJava } from './java.ts'
import { type LedgerEntry, ledgerId } from './ledger-entry.ts'

/** What clients that we did not write make of a record: enough to tell that our reader and theirs see the same log. */
export interface ForeignRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: string
  readonly value: string
}

/** Marks that no record of the ledger holds. */
const FIELD_END = '\u0001|field|\u0002'
const RECORD_END = '\u0001|record|\u0002'
const CONSUME_DEADLINE_MS = 120_000

/** kcat is a second opinion where it is installed; the Java client is always there. */
export function hasKcat(): boolean {
  return spawnSync('kcat', ['-V']).status === 0
}

/** Everything committed in a topic, as kcat (librdkafka) reads it. */
export async function readWithKcat(bootstrap: string, topic: string): Promise<ForeignRecord[]> {
  const format = ['%p', '%o', '%T', '%K', '%k', '%S', '%s'].join(FIELD_END) + RECORD_END
  const settings = [
    '-X',
    'isolation.level=read_committed',
    '-X',
    'check.crcs=true',
    '-X',
    'fetch.message.max.bytes=8000000',
  ]
  const output = await outputOf('kcat', [
    '-C',
    '-q',
    '-e',
    '-b',
    bootstrap,
    '-t',
    topic,
    '-o',
    'beginning',
    ...settings,
    '-f',
    format,
  ])
  return split(output, RECORD_END).map(record => {
    const [partition, offset, timestampMs, keyBytes, key, valueBytes, value] = split(record, FIELD_END, false)
    return {
      partition: Number(text(partition)),
      offset: Number(text(offset)),
      timestampMs: Number(text(timestampMs)),
      key: text(keyBytes) === '-1' ? 'null' : shown(key),
      value: text(valueBytes) === '-1' ? 'null' : shown(value),
    }
  })
}

/** Every committed record of a topic as the console consumer of Kafka's Java client prints them. `count` ends it. */
export async function readWithJava(bootstrap: string, topic: string, count: number): Promise<ForeignRecord[]> {
  const formatter = {
    'print.timestamp': 'true',
    'print.partition': 'true',
    'print.offset': 'true',
    'print.key': 'true',
    'print.value': 'true',
    'key.separator': FIELD_END,
    'line.separator': RECORD_END,
    'null.literal': '|null|',
  }
  const args = [
    '--bootstrap-server',
    bootstrap,
    '--topic',
    topic,
    '--from-beginning',
    '--isolation-level',
    'read_committed',
  ]
  args.push('--max-messages', String(count), '--timeout-ms', String(CONSUME_DEADLINE_MS))
  for (const [name, value] of Object.entries(formatter)) args.push('--formatter-property', `${name}=${value}`)
  const jvm = ['-Xmx512m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
  const output = await outputOf(tools().java, [...jvm, '-cp', javaClassPath(), consumer, ...args])
  return split(output, RECORD_END).map(record => {
    const [time, partition, offset, key, value] = split(record, FIELD_END, false)
    return {
      partition: Number(text(partition).replace('Partition:', '')),
      offset: Number(text(offset).replace('Offset:', '')),
      timestampMs: Number(text(time).replace('CreateTime:', '')),
      key: text(key) === '|null|' ? 'null' : shown(key),
      value: text(value) === '|null|' ? 'null' : shown(value),
    }
  })
}

/** Kafka's own producer writes 0, 1, 2 … as values. Returns the ids, all of them acknowledged: it fails otherwise. */
export async function produceWithJava(
  target: { readonly dc: string; readonly bootstrap: string; readonly topic: string },
  count: number,
  dir: string,
): Promise<string[]> {
  const settings = [`bootstrap.servers=${target.bootstrap}`, 'compression.type=zstd', 'linger.ms=5', 'acks=all']
  const output = await runJava({
    name: 'ProducerPerformance',
    mainClass: 'org.apache.kafka.tools.ProducerPerformance',
    args: [
      '--topic',
      target.topic,
      '--num-records',
      String(count),
      '--throughput',
      '-1',
      '--payload-monotonic',
      '--command-property',
      ...settings,
    ],
    logFile: join(dir, `producer-performance-${target.topic}.log`),
  })
  if (!output.includes(`${count} records sent`)) throw new Error(`not all records were sent:\n${output}`)
  return Array.from({ length: count }, (_, index) => ledgerId(target.dc, 'java', index))
}

/** Our reader's view in the same words. */
export function asForeign(partition: number, { offset, fields }: LedgerEntry): ForeignRecord {
  return { partition, offset, timestampMs: fields.timestampMs, key: fields.key, value: fields.value }
}

/** By partition and offset. */
export function inLogOrder(records: readonly ForeignRecord[]): ForeignRecord[] {
  return records.toSorted((left, right) => left.partition - right.partition || left.offset - right.offset)
}

/** As `LedgerEntry.fields` shows bytes. */
function shown(bytes: Buffer | undefined): string {
  if (bytes === undefined) return 'absent'
  if (bytes.length <= 24) return `${bytes.length}:${JSON.stringify(bytes.toString('latin1'))}`
  return `${bytes.length}:${hash('sha1', bytes)}`
}

function text(bytes: Buffer | undefined): string {
  return bytes?.toString('latin1') ?? ''
}

/** Pieces between marks. `terminated`: each piece ends with the mark, and what follows the last is dropped. */
function split(bytes: Buffer, mark: string, terminated = true): Buffer[] {
  const pieces: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, from)) {
    pieces.push(bytes.subarray(from, at))
    from = at + mark.length
  }
  if (!terminated) pieces.push(bytes.subarray(from))
  return pieces
}

function outputOf(command: string, args: readonly string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: CONSUME_DEADLINE_MS })
    const output: Buffer[] = []
    let errors = ''
    child.stdout.on('data', (piece: Buffer) => output.push(piece))
    child.stderr.on('data', (piece: Buffer) => {
      errors += piece.toString()
    })
    child.once('error', reject)
    child.once('close', code => {
      if (code === 0) resolve(Buffer.concat(output))
      else reject(new Error(`${command} ended with ${code}: ${errors.slice(-2_000)}`))
    })
  })
}
