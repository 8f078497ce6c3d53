import { type ChannelOptions, Client, status as Code, credentials, type ServiceError } from '@grpc/grpc-js'
import { ADMIN_SERVICE } from './service.ts'
import { hintOf } from './status.ts'

/** A failed call in words for a person. `unreachable`: nothing that answers stands there. */
export class AdminCallFailed extends Error {
  readonly kind: 'unreachable' | 'refused'
  readonly hint: string | undefined

  constructor(kind: 'unreachable' | 'refused', message: string, hint: string | undefined, cause: unknown) {
    super(message, { cause })
    this.name = 'AdminCallFailed'
    this.kind = kind
    this.hint = hint
  }
}

export type AdminMethod = 'GetStatus' | 'ListLinks' | 'PauseLink' | 'ResumeLink' | 'SetLogLevel'

/** One connection to the admin port of a node. Messages are those of admin.proto; all calls reject with AdminCallFailed. */
export interface AdminClient {
  readonly address: string
  call<Response>(method: AdminMethod, request?: object): Promise<Response>
  /** Ends when the server ends it, or with `signal`. */
  watch<Response>(request: object, signal: AbortSignal): AsyncIterable<Response>
  close(): void
}

const CALL_DEADLINE_MS = 10_000
const RESPONSE_MAX_BYTES = 16 << 20
const CHANNEL: ChannelOptions = { 'grpc.max_receive_message_length': RESPONSE_MAX_BYTES, 'grpc.enable_http_proxy': 0 }

export function adminClient(address: string): AdminClient {
  const client = new Client(address, credentials.createInsecure(), CHANNEL)
  const failed = (error: ServiceError) => describe(error, address)
  return {
    address,
    call<Response>(method: AdminMethod, request: object = {}) {
      const { path, requestSerialize, responseDeserialize } = ADMIN_SERVICE[method]!
      return new Promise<Response>((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize as (message: object) => Buffer,
          responseDeserialize as (bytes: Buffer) => Response,
          request,
          { deadline: Date.now() + CALL_DEADLINE_MS },
          (error, response) => (error ? reject(failed(error)) : resolve(response as Response)),
        )
      })
    },
    async *watch<Response>(request: object, signal: AbortSignal) {
      const { path, requestSerialize, responseDeserialize } = ADMIN_SERVICE.WatchEvents!
      const stream = client.makeServerStreamRequest(
        path,
        requestSerialize as (message: object) => Buffer,
        responseDeserialize as (bytes: Buffer) => Response,
        request,
      )
      const cancel = () => stream.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      try {
        for await (const message of stream) yield message as Response
      } catch (error) {
        if (!signal.aborted) throw failed(error as ServiceError)
      } finally {
        signal.removeEventListener('abort', cancel)
        stream.cancel()
      }
    },
    close: () => client.close(),
  }
}

function describe(error: ServiceError, address: string): AdminCallFailed {
  const hint = hintOf(error)
  if (error.code === Code.UNAVAILABLE || error.code === Code.DEADLINE_EXCEEDED) {
    const said = hint === undefined ? `no gateway answers at ${address}` : error.details
    return new AdminCallFailed(
      'unreachable',
      said,
      hint ?? 'is it running, and is this its listen.admin address? choose another with --address HOST:PORT',
      error,
    )
  }
  if (error.code === Code.UNIMPLEMENTED)
    return new AdminCallFailed(
      'refused',
      `what answers at ${address} is not the admin port of a gateway, or an older one`,
      hint,
      error,
    )
  return new AdminCallFailed('refused', error.details, hint, error)
}
