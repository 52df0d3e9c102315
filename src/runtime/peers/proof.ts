/**
 * How two nodes prove to each other that they know the secret, without telling it: each sends a random challenge, and
 * answers with an HMAC over both challenges and its own role, so that no answer fits another question.
 *
 * It proves, it does not hide: where others can read or change what is sent, use TLS as well.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export type Role = 'dialler' | 'listener'

/** The challenge of either side. */
export type Challenges = Readonly<Record<Role, string>>

export function newChallenge(): string {
  return randomBytes(32).toString('base64')
}

/** 32 bytes in base 64: nothing in it could be taken for the space between two of them. */
export function isChallenge(text: string): boolean {
  return /^[A-Za-z0-9+/]{43}=$/.test(text)
}

export function prove(secret: string, role: Role, { dialler, listener }: Challenges): string {
  return createHmac('sha256', secret).update(`aldebaran peer ${role} ${dialler} ${listener}`).digest('base64')
}

export function proves(given: string, secret: string, role: Role, challenges: Challenges): boolean {
  return timingSafeEqual(digest(given), digest(prove(secret, role, challenges)))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
