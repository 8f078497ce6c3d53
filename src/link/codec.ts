import { GatewayError } from '../errors.ts'
import {
  type CatalogTopic,
  CLOSE_REASONS,
  type CloseReason,
  type OpenRequest,
  type Path,
  type StartAt,
} from '../route/pull.ts'
import type { FramePiece, HelloMessage, SourceSays, TargetSays, WelcomeMessage } from './messages.ts'
import {
  decodeWireRequest,
  decodeWireResponse,
  encodeWireRequest,
  encodeWireResponse,
  type WireMessage,
} from './wire.ts'

/**
 * Messages to bytes and back. Decoding trusts nothing: every number must be a safe integer in its range and every
 * text of a sane length, else GatewayError PEER_PROTOCOL, which names the field.
 */

/** Longer than any name Kafka or Isthmus allows (topics: 249). */
const MAX_NAME_CHARACTERS = 256
const MAX_TEXT_CHARACTERS = 4_096
const MAX_PATHS = 1_024
/** Kafka has fewer for a topic; a source tells those that matter to a replica. */
const MAX_TOPIC_CONFIGS = 64
const MAX_INT32 = 0x7fff_ffff
const NAME_OF_REASON = new Map<string, CloseReason>(CLOSE_REASONS.map(reason => [reasonOnWire(reason), reason]))

function reasonOnWire(reason: CloseReason): string {
  return `CLOSE_REASON_${reason.toUpperCase().replaceAll('-', '_')}`
}

export function encodeRequest(says: TargetSays): Buffer {
  switch (says.kind) {
    case 'open':
      return encodeWireRequest({ open: openToWire(says.open) })
    case 'hello':
      return encodeWireRequest({ hello: says.hello })
    case 'close':
      return encodeWireRequest({ close: { channel: says.channel } })
    case 'credit':
      return encodeWireRequest({ credit: { lane: says.lane, bytes: says.bytes } })
    case 'ack':
      return encodeWireRequest({ ack: { channel: says.channel, next: says.next } })
    case 'ping':
      return encodeWireRequest({ ping: { number: says.number } })
    case 'unknown':
      return encodeWireRequest({})
  }
}

export function encodeResponse(says: SourceSays): Buffer {
  switch (says.kind) {
    case 'frame':
      return encodeWireResponse({ frame: says.frame })
    case 'progress':
      return encodeWireResponse({ progress: says.progress })
    case 'welcome':
      return encodeWireResponse({ welcome: says.welcome })
    case 'catalog':
      return encodeWireResponse({ catalog: says.catalog })
    case 'opened':
      return encodeWireResponse({ opened: says.opened })
    case 'closed':
      return encodeWireResponse({ closed: { ...says.closed, reason: reasonOnWire(says.closed.reason) } })
    case 'pong':
      return encodeWireResponse({ pong: { number: says.number } })
    case 'unknown':
      return encodeWireResponse({})
  }
}

/** What the target said. Throws GatewayError PEER_PROTOCOL for what it may not say. */
export function decodeRequest(bytes: Buffer): TargetSays {
  const { kind, body } = variant(bytes, decodeWireRequest)
  switch (kind) {
    case 'hello':
      return { kind, hello: helloFromWire(body) }
    case 'open':
      return { kind, open: openFromWire(body) }
    case 'close':
      return { kind, channel: whole(body, 'channel') }
    case 'credit':
      return { kind, lane: whole(body, 'lane'), bytes: whole(body, 'bytes') }
    case 'ack':
      return { kind, channel: whole(body, 'channel'), next: whole(body, 'next') }
    case 'ping':
      return { kind, number: whole(body, 'number') }
    default:
      return { kind: 'unknown' }
  }
}

/** What the source said. Throws GatewayError PEER_PROTOCOL for what it may not say. */
export function decodeResponse(bytes: Buffer): SourceSays {
  const { kind, body } = variant(bytes, decodeWireResponse)
  switch (kind) {
    case 'frame':
      return { kind, frame: frameFromWire(body) }
    case 'progress':
      return {
        kind,
        progress: {
          channel: whole(body, 'channel'),
          next: whole(body, 'next'),
          leaderEpoch: whole(body, 'leaderEpoch', -1, MAX_INT32),
          highWatermark: whole(body, 'highWatermark'),
          sourceTimeMs: whole(body, 'sourceTimeMs'),
        },
      }
    case 'welcome':
      return { kind, welcome: welcomeFromWire(body) }
    case 'catalog':
      return {
        kind,
        catalog: {
          topics: list(body, 'topics').map(topicFromWire),
          removed: list(body, 'removed').map(name => asText(name, 'removed', MAX_NAME_CHARACTERS)),
          full: body.full === true,
          continued: body.continued === true,
        },
      }
    case 'opened':
      return {
        kind,
        opened: {
          channel: whole(body, 'channel'),
          topicId: text(body, 'topicId'),
          position: whole(body, 'position'),
          logStart: whole(body, 'logStart'),
          highWatermark: whole(body, 'highWatermark'),
        },
      }
    case 'closed':
      return {
        kind,
        closed: {
          channel: whole(body, 'channel'),
          // A reason that only a later version knows: the channel is closed all the same.
          reason: NAME_OF_REASON.get(String(body.reason)) ?? 'internal',
          message: text(body, 'message', MAX_TEXT_CHARACTERS),
          gapFrom: body.gapFrom === undefined ? undefined : whole(body, 'gapFrom'),
          gapTo: body.gapTo === undefined ? undefined : whole(body, 'gapTo'),
          topicId: text(body, 'topicId') || undefined,
        },
      }
    case 'pong':
      return { kind, number: whole(body, 'number') }
    default:
      return { kind: 'unknown' }
  }
}

function openToWire(open: OpenRequest): WireMessage {
  const { channel, lane, topic, partition, start } = open
  const base = { channel, lane, topic, partition, topicId: open.topicId ?? '' }
  switch (start.kind) {
    case 'position':
      return { ...base, position: { offset: start.offset, leaderEpoch: start.leaderEpoch } }
    case 'timestamp':
      return { ...base, timestampMs: start.timestampMs }
    case 'earliest':
      return { ...base, earliest: true }
    case 'latest':
      return { ...base, latest: true }
  }
}

function openFromWire(body: WireMessage): OpenRequest {
  return {
    channel: whole(body, 'channel'),
    lane: whole(body, 'lane'),
    topic: text(body, 'topic'),
    topicId: text(body, 'topicId') || undefined,
    partition: whole(body, 'partition', 0, MAX_INT32),
    start: startFromWire(body),
  }
}

function startFromWire(body: WireMessage): StartAt {
  switch (body.start) {
    case 'position': {
      const position = body.position as WireMessage
      return {
        kind: 'position',
        offset: whole(position, 'offset'),
        leaderEpoch: whole(position, 'leaderEpoch', -1, MAX_INT32),
      }
    }
    case 'timestampMs':
      return { kind: 'timestamp', timestampMs: whole(body, 'timestampMs') }
    case 'earliest':
    case 'latest':
      return { kind: body.start }
    default:
      throw violation('an Open without a start')
  }
}

function helloFromWire(body: WireMessage): HelloMessage {
  return {
    minVersion: whole(body, 'minVersion', 0, MAX_INT32),
    maxVersion: whole(body, 'maxVersion', 0, MAX_INT32),
    dc: text(body, 'dc'),
    node: text(body, 'node'),
    clusterId: text(body, 'clusterId'),
    origin: text(body, 'origin'),
    paths: pathsFromWire(body),
    maxBatchBytes: whole(body, 'maxBatchBytes'),
  }
}

function welcomeFromWire(body: WireMessage): WelcomeMessage {
  return {
    version: whole(body, 'version', 0, MAX_INT32),
    dc: text(body, 'dc'),
    node: text(body, 'node'),
    clusterId: text(body, 'clusterId'),
    paths: pathsFromWire(body),
    maxChannels: whole(body, 'maxChannels'),
  }
}

function frameFromWire(body: WireMessage): FramePiece {
  return {
    channel: whole(body, 'channel'),
    from: whole(body, 'from'),
    next: whole(body, 'next'),
    leaderEpoch: whole(body, 'leaderEpoch', -1, MAX_INT32),
    highWatermark: whole(body, 'highWatermark'),
    sourceTimeMs: whole(body, 'sourceTimeMs'),
    batches: list(body, 'batches').map(asBytes),
    relayed: body.relayed === true,
    gap: body.gap === true,
    continued: body.continued === true,
  }
}

function topicFromWire(value: unknown): CatalogTopic {
  const body = value as WireMessage
  return {
    name: text(body, 'name'),
    topicId: text(body, 'topicId'),
    partitions: whole(body, 'partitions', 0, MAX_INT32),
    configs: configsFromWire(body.configs),
    maxMessageBytes: whole(body, 'maxMessageBytes', 0, MAX_INT32),
    refused: text(body, 'refused', MAX_TEXT_CHARACTERS) || undefined,
  }
}

function configsFromWire(value: unknown): Record<string, string> {
  const entries = Object.entries((value ?? {}) as Record<string, unknown>)
  if (entries.length > MAX_TOPIC_CONFIGS) throw violation(`a topic with ${entries.length} configs`)
  return Object.fromEntries(
    entries.map(([name, config]) => [
      asText(name, 'configs', MAX_NAME_CHARACTERS),
      asText(config, `configs.${name}`, MAX_TEXT_CHARACTERS),
    ]),
  )
}

function pathsFromWire(body: WireMessage): Path[] {
  const paths = list(body, 'paths')
  if (paths.length > MAX_PATHS) throw violation(`${paths.length} paths`)
  return paths.map(value => {
    const path = value as WireMessage
    const via = list(path, 'via')
    if (via.length > MAX_PATHS) throw violation(`a path of ${via.length} data centers`)
    return { origin: text(path, 'origin'), via: via.map(dc => asText(dc, 'via', MAX_NAME_CHARACTERS)) }
  })
}

function variant(bytes: Buffer, decode: (bytes: Buffer) => WireMessage): { kind: string; body: WireMessage } {
  let message: WireMessage
  try {
    message = decode(bytes)
  } catch (cause) {
    throw violation(`${bytes.length} bytes that are no message of the protocol`, cause)
  }
  const kind = typeof message.message === 'string' ? message.message : ''
  return { kind, body: (message[kind] ?? {}) as WireMessage }
}

function whole(body: WireMessage, field: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = body[field]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw violation(`${field} = ${String(value)}`)
  return value
}

function text(body: WireMessage, field: string, maxCharacters = MAX_NAME_CHARACTERS): string {
  return asText(body[field], field, maxCharacters)
}

function asText(value: unknown, field: string, maxCharacters: number): string {
  if (typeof value !== 'string') throw violation(`${field} is no text`)
  if (value.length > maxCharacters) throw violation(`${field} of ${value.length} characters`)
  return value
}

function asBytes(value: unknown): Buffer {
  if (!Buffer.isBuffer(value)) throw violation('batches that are no bytes')
  return value
}

function list(body: WireMessage, field: string): unknown[] {
  const value = body[field]
  return Array.isArray(value) ? value : []
}

function violation(what: string, cause?: unknown): GatewayError {
  return new GatewayError('PEER_PROTOCOL', 'peer', `the peer sent ${what}`, {
    cause,
    hint: 'both sides must run a version of Isthmus that speaks the same protocol',
  })
}
