import type { GatewayError } from '../errors.ts'
import type { WriteMode } from './run.ts'

/** What a partition writer is doing, for operators. A halted one waits for a person. */
export type WriterState =
  | { readonly kind: 'waiting'; readonly why: string }
  | { readonly kind: 'taking-over' }
  | { readonly kind: 'running'; readonly mode: WriteMode }
  | { readonly kind: 'halted'; readonly error: GatewayError }
  | { readonly kind: 'stopped' }
