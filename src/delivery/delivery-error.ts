/** What a try that failed says of its event. */
export type DeliveryFate =
  /** Not delivered: it is tried again. */
  | 'retry'
  /** As `retry`, and its destination gets nothing before `retryAfter`. */
  | 'throttle'
  /** It will never be: a dead letter. */
  | 'reject'
  /** As `reject`, and its destination is paused until somebody resumes it. */
  | 'disable'
  /** It may have been delivered. At-least-once: tried again; at-most-once: in doubt. */
  | 'unknown'

/** Thrown by `send`. Any other error is `unknown`. */
export class DeliveryError extends Error {
  readonly fate: DeliveryFate
  /** Of `throttle` and `retry`: not before so long, ms. */
  readonly retryAfter: number
  /** The destination had no part in it. */
  readonly isBlameless: boolean
  /** For the record of the try: what was answered, say. Small, and JSON. */
  readonly detail: unknown

  /**
   * `blameless`: the destination was not even asked, because something that the event needs first is away, say: neither
   * its breaker nor `disableAfter` counts it. Default false.
   */
  constructor(
    fate: DeliveryFate,
    message: string,
    options: { retryAfter?: number; detail?: unknown; cause?: unknown; blameless?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'DeliveryError'
    this.fate = fate
    this.retryAfter = options.retryAfter ?? 0
    this.detail = options.detail ?? null
    this.isBlameless = options.blameless ?? false
  }
}
