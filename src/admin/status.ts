import { status as Code, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { type ErrorCode, GatewayError } from '../errors.ts'

/** Errors of the admin service as gRPC statuses and back: a canonical code, our code and hint in the trailers. */

const CODE_KEY = 'isthmus-code'
const HINT_KEY = 'isthmus-hint'
/** Trailers are headers: they stay well below HTTP/2's usual limit of 16 KiB. */
const DETAIL_MAX_CHARACTERS = 2000

const STATUS_OF: Partial<Record<ErrorCode, Code>> = {
  CONFIG_INVALID: Code.INVALID_ARGUMENT,
  CLUSTER_UNREACHABLE: Code.UNAVAILABLE,
  PEER_UNREACHABLE: Code.UNAVAILABLE,
  KAFKA_ERROR: Code.UNAVAILABLE,
  ACL_MISSING: Code.FAILED_PRECONDITION,
  REGISTRY_BROKEN: Code.FAILED_PRECONDITION,
  INTERNAL: Code.INTERNAL,
}

export type Refusal = Pick<StatusObject, 'code' | 'details' | 'metadata'>

/** A refusal that is the caller's to mend. */
export function refusal(code: Code, details: string, hint?: string): Refusal {
  const metadata = new Metadata()
  if (hint !== undefined) metadata.set(HINT_KEY, encodeURIComponent(hint))
  return { code, details, metadata }
}

/** What a failed operation answers. Of bugs only that there was one: the log has the rest. */
export function asRefusal(error: unknown): Refusal {
  if (!(error instanceof GatewayError)) return refusal(Code.INTERNAL, 'a bug in the gateway; its log says more')
  const answer = refusal(
    STATUS_OF[error.code] ?? Code.FAILED_PRECONDITION,
    error.message.slice(0, DETAIL_MAX_CHARACTERS),
    error.hint?.slice(0, DETAIL_MAX_CHARACTERS),
  )
  answer.metadata.set(CODE_KEY, error.code)
  return answer
}

/** The hint in the trailers of a failed call. */
export function hintOf(error: ServiceError): string | undefined {
  const hint = error.metadata?.get(HINT_KEY)[0]
  try {
    return typeof hint === 'string' ? decodeURIComponent(hint) : undefined
  } catch {
    return undefined
  }
}
