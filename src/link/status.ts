import { status as Code, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { ERROR_CODES, type ErrorCode, GatewayError } from '../errors.ts'

/** Our errors as gRPC statuses and back: canonical code, our code and hint in the trailers (see the proto). */

const CODE_KEY = 'isthmus-code'
const HINT_KEY = 'isthmus-hint'
/** Trailers are headers: keep them well below HTTP/2's usual limit of 16 KiB. */
const MAX_DETAIL_CHARACTERS = 1_000

const STATUS_OF: Partial<Record<ErrorCode, Code>> = {
  PEER_PROTOCOL: Code.INVALID_ARGUMENT,
  CLUSTER_MISMATCH: Code.FAILED_PRECONDITION,
  LOOP_DETECTED: Code.FAILED_PRECONDITION,
  PEER_REFUSED: Code.PERMISSION_DENIED,
  PEER_UNREACHABLE: Code.UNAVAILABLE,
  REGISTRY_BROKEN: Code.UNAVAILABLE,
}

/** What a server ends a call with. `code` overrides the canonical code where it says more. */
export function asStatus(error: unknown, code?: Code): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const metadata = new Metadata()
  if (!(error instanceof GatewayError))
    return { code: code ?? Code.INTERNAL, details: 'a bug in the gateway', metadata }
  metadata.set(CODE_KEY, error.code)
  if (error.hint !== undefined) metadata.set(HINT_KEY, encodeURIComponent(error.hint).slice(0, MAX_DETAIL_CHARACTERS))
  const details = error.message.slice(0, MAX_DETAIL_CHARACTERS)
  return { code: code ?? STATUS_OF[error.code] ?? Code.INTERNAL, details, metadata }
}

/** What ended a call, in our words. A status without our code comes from the network or from something else there. */
export function fromStatus(error: ServiceError, peer: string, address: string): GatewayError {
  const named = error.metadata?.get(CODE_KEY)[0]
  const said = plainWords(error.details || error.message)
  if (typeof named === 'string' && Object.hasOwn(ERROR_CODES, named)) {
    const hint = error.metadata.get(HINT_KEY)[0]
    return new GatewayError(named as ErrorCode, 'peer', `${peer} (${address}) says: ${said}`, {
      cause: error,
      hint: typeof hint === 'string' ? safeDecode(hint) : undefined,
    })
  }
  if (error.code === Code.UNIMPLEMENTED)
    return new GatewayError(
      'PEER_REFUSED',
      'peer',
      `${address} is no replication port of an Isthmus gateway: ${said}`,
      {
        cause: error,
        hint: `correct the addresses of ${peer}`,
      },
    )
  if (error.code === Code.RESOURCE_EXHAUSTED)
    return new GatewayError('PEER_PROTOCOL', 'peer', `${peer} (${address}): ${said}`, { cause: error })
  // That it is unavailable says the error already.
  const code = error.code === Code.UNAVAILABLE ? '' : `${Code[error.code] ?? error.code}, `
  return new GatewayError('PEER_UNREACHABLE', 'peer', `${peer} (${address}): ${code}${said}`, { cause: error })
}

/** How grpc-js wraps what the socket said: with a time that makes each one another, and notes about its resolver. */
const WRAPPED =
  /^(?:\w+: )?No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-\d\d-\d\dT[^)]*\))?\. Resolution note: .*$/s

/** What the socket said, where grpc-js has wrapped it. */
export function plainWords(details: string): string {
  const said = WRAPPED.exec(details)?.[1]
  if (said === undefined) return details
  return said === '' || said === 'null' || said === 'undefined' ? 'no connection' : said
}

function safeDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
