/** OAUTHBEARER (RFC 7628) and the tokens it shows. */
import { authenticationFailed, type Mechanism, printable } from './mechanism.ts'
import { revealed, type SaslSettings, type TokenSource } from './security.ts'
import { ProvidedToken } from './token-endpoint.ts'

/** One for each settings object, so that all connections share a token. */
const provided = new WeakMap<TokenSource, ProvidedToken>()

/** RFC 6750, section 2.1: so nothing in it can be taken for the end of it. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/
const EXTENSION_KEY = /^[A-Za-z]+$/
const EXTENSION_VALUE = /^[\x20-\x7e\t\r\n]+$/
const SEPARATOR = '\x01'

export async function oauthBearer(settings: Extract<SaslSettings, { mechanism: 'OAUTHBEARER' }>): Promise<Mechanism> {
  const token = await tokenOf(settings.token)
  if (!TOKEN.test(token)) throw authenticationFailed('OAUTHBEARER: the token has characters that no token has')
  const extensions = Object.entries(settings.extensions)
  for (const [key, value] of extensions) {
    if (EXTENSION_KEY.test(key) && key !== 'auth' && EXTENSION_VALUE.test(value)) continue
    throw authenticationFailed(`OAUTHBEARER: the extension ${printable(key)} cannot be sent`)
  }
  const pairs = [`auth=Bearer ${token}`, ...extensions.map(([key, value]) => `${key}=${value}`)]
  let said = false
  return {
    name: 'OAUTHBEARER',
    async respond(challenge) {
      if (!said) {
        said = true
        return Buffer.from(`n,,${SEPARATOR}${pairs.map(pair => pair + SEPARATOR).join('')}${SEPARATOR}`)
      }
      // A challenge is a refusal; the broker ends the exchange with an error when it is acknowledged.
      return challenge.length > 0 ? Buffer.from(SEPARATOR) : null
    },
  }
}

function tokenOf(source: TokenSource): string | Promise<string> {
  if (source.kind === 'static') return revealed(source.token)
  let token = provided.get(source)
  if (token === undefined) {
    token = new ProvidedToken(source)
    provided.set(source, token)
  }
  return token.get()
}
