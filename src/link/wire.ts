import { fileURLToPath } from 'node:url'
import type { MethodDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/**
 * The gRPC service as bytes in, bytes out: gRPC frames and carries messages, `codec.ts` reads and writes them. Kept
 * apart so that broken bytes of a peer are ours to judge and count, instead of an internal error of the library.
 */

const PROTO_FILE = fileURLToPath(new URL('../../proto/isthmus/replication/v1/replication.proto', import.meta.url))

/** Positions and times are safe integers (checked in codec.ts); unset fields come out as proto3 defaults. */
const loaded = loadSync(PROTO_FILE, { longs: Number, enums: String, defaults: true, arrays: true, oneofs: true })

/** The shape of decoded messages: plain objects, whose fields codec.ts checks one by one. */
export type WireMessage = Record<string, unknown>

const service = loaded['isthmus.replication.v1.Replication'] as unknown as Record<
  string,
  MethodDefinition<WireMessage, WireMessage>
>
const pull = service.Pull!

const asIs = (bytes: Buffer): Buffer => bytes

/** What `Server.addService` and a `Client` take; every message is its encoded bytes. */
export const PULL_METHOD: MethodDefinition<Buffer, Buffer> = {
  path: pull.path,
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
}

export const encodeWireRequest = (message: WireMessage): Buffer => pull.requestSerialize(message)
export const decodeWireRequest = (bytes: Buffer): WireMessage => pull.requestDeserialize(bytes)
export const encodeWireResponse = (message: WireMessage): Buffer => pull.responseSerialize(message)
export const decodeWireResponse = (bytes: Buffer): WireMessage => pull.responseDeserialize(bytes)
