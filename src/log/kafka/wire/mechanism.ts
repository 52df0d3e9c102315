/** What the mechanisms of SASL have in common. */
import { AldebaranError } from '../../../errors.ts'

/** One exchange: a mechanism object is used once. */
export interface Mechanism {
  readonly name: string
  /**
   * The next message for the broker, given its last one (empty at first). Null: there is nothing more to say, and the
   * broker has proven what it must.
   */
  respond(challenge: Buffer): Promise<Buffer | null>
}

const LONGEST_REASON = 300

/** @param reason may come from a stranger: it is cut, and has no control characters */
export function authenticationFailed(reason: string): AldebaranError {
  return new AldebaranError('KAFKA_AUTHENTICATION', printable(reason))
}

export function printable(text: string): string {
  const plain = text.replaceAll(/\p{Cc}+/gu, ' ').trim()
  return plain.length > LONGEST_REASON ? `${plain.slice(0, LONGEST_REASON)}…` : plain
}
