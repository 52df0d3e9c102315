/** What others say, as it may stand in an error: short, one line, without the secrets of the channel. */
import { clip, oneLine } from './channel.ts'

const LONGEST = 300

export class Wording {
  readonly #secrets: readonly string[]

  /** Secrets: whatever the channel would not have repeated, also as others write it. */
  constructor(secrets: readonly string[]) {
    const forms = secrets
      .filter(secret => secret !== '')
      .flatMap(secret => [
        secret,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
        Buffer.from(secret).toString('base64url'),
      ])
    // The longest first: one secret may be part of another.
    this.#secrets = [...new Set(forms)].sort((a, b) => b.length - a.length)
  }

  of(text: unknown): string {
    if (typeof text !== 'string') return ''
    let clean = text
    for (const secret of this.#secrets) clean = clean.replaceAll(secret, '***')
    return clip(oneLine(clean), LONGEST)
  }
}
