/** Authentication by SASL: which mechanism, and the exchange of its messages with a broker. */
import { saslAuthenticate, saslHandshake } from './admin-messages.ts'
import { NONE, nameOfCode } from './error-codes.ts'
import { authenticationFailed, type Mechanism } from './mechanism.ts'
import { oauthBearer } from './oauth.ts'
import { Scram } from './scram.ts'
import { revealed, type SaslSettings } from './security.ts'
import type { Api } from './types.ts'

export type Ask = <Q, S>(api: Api<Q, S>, body: Q) => Promise<S>

/**
 * A mechanism that is ready to talk: a token that it needs is there.
 * @throws AldebaranError KAFKA_AUTHENTICATION, KAFKA_UNREACHABLE (the identity provider)
 */
export async function mechanismOf(settings: SaslSettings): Promise<Mechanism> {
  switch (settings.mechanism) {
    case 'PLAIN':
      return plain(settings.username, revealed(settings.password))
    case 'OAUTHBEARER':
      return oauthBearer(settings)
    default:
      return new Scram(settings.mechanism, settings.username, settings.password)
  }
}

/**
 * Proves who this client is. No other request may be sent meanwhile.
 * @returns for how many milliseconds the broker believes it; 0: for as long as the connection is open
 * @throws AldebaranError KAFKA_AUTHENTICATION with what the broker said
 */
export async function authenticate(ask: Ask, mechanism: Mechanism): Promise<number> {
  const { errorCode, mechanisms } = await ask(saslHandshake, { mechanism: mechanism.name })
  if (errorCode !== NONE) {
    const known = mechanisms.length > 0 ? `the broker takes ${mechanisms.join(', ')}` : 'this listener takes no SASL'
    throw authenticationFailed(`${mechanism.name}: ${nameOfCode(errorCode)}: ${known}`)
  }
  let challenge: Buffer = Buffer.alloc(0)
  let lifetimeMs = 0
  for (;;) {
    const message = await mechanism.respond(challenge)
    if (message === null) return lifetimeMs
    const answer = await ask(saslAuthenticate, { authBytes: message })
    if (answer.errorCode !== NONE) {
      const reason = answer.errorMessage ?? nameOfCode(answer.errorCode)
      throw authenticationFailed(`${mechanism.name}: ${reason}`)
    }
    challenge = Buffer.from(answer.authBytes)
    lifetimeMs = answer.sessionLifetimeMs
  }
}

/** RFC 4616: the password itself, so use it with TLS. */
function plain(username: string, password: string): Mechanism {
  let said = false
  return {
    name: 'PLAIN',
    async respond() {
      if (said) return null
      said = true
      return Buffer.from(`\0${username}\0${password}`)
    },
  }
}
