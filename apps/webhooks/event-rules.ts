/** Of an event as it is sent, bytes. */
export const LARGEST_PAYLOAD = 256_000
/** A type of events ('invoice.paid'), what types begin with ('invoice.*'), or all ('*'). */
export const FILTER = /^(?:\*|[a-zA-Z0-9_.-]{1,126}(?:\.\*)?)$/
