/** What is sent, and what came of it. */
import type { TlsIdentity } from './connector.ts'

export interface PostRequest {
  readonly url: string
  /** Each name followed by its value. `content-length` and what belongs to the connection are not for the caller. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array
  /** From the call to the end of the response, ms. Default: that of the sender. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** Default: that of the sender. */
  readonly identity?: TlsIdentity
}

/** How far it came before it failed. */
export type FailureStage =
  /** The rules forbid it: it will never be sent. */
  | 'refused'
  /** It failed before anything of the request was sent. */
  | 'unsent'
  /** The request was sent, or some of it; what the receiver did with it is not known. */
  | 'sent'

export type FailureReason =
  | 'address'
  | 'header'
  | 'names'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'aborted'
  | 'closed'
  | 'reset'
  | 'protocol'

export interface PostFailure {
  readonly stage: FailureStage
  readonly reason: FailureReason
  readonly message: string
}

export interface PostOutcome {
  /** 0: no response came. */
  readonly status: number
  /** As the header `Retry-After` says it; '' without one. */
  readonly retryAfter: string
  /** '' without one. */
  readonly contentType: string
  /** The beginning of the response's body, as text. */
  readonly body: string
  /** The body went on behind what is kept of it. */
  readonly isCut: boolean
  /** From the call until the request was written: it may have waited for a connection. ms; -1: it was not. */
  readonly sentMs: number
  /** From the call until the status was there, ms; -1: none came. */
  readonly firstByteMs: number
  /** From the call to the end, ms. */
  readonly totalMs: number
  /** Null: a whole response came, whatever its status. Otherwise what there is of it is here too. */
  readonly failure: PostFailure | null
}
