/**
 * How connections are opened.
 *
 * 1. A connection goes to an address that was judged, and is not looked up again: what a server of names answers between
 *    the check and the connection, or later, changes nothing.
 * 2. What the socket is connected to is judged once more before the first byte of a request is written.
 */
import { X509Certificate } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import { AldebaranError, messageOf } from '../../errors.ts'
import type { Addresses } from './addresses.ts'
import type { HostResolver } from './host-resolver.ts'

/** How this side shows itself by TLS, and whom it trusts. PEM. */
export interface TlsSettings {
  /** The authorities that are trusted, instead of those of Node. */
  ca?: string | Buffer | readonly (string | Buffer)[]
  /** The certificate of this client, and its key. */
  cert?: string | Buffer
  key?: string | Buffer
  passphrase?: string
}

let identities = 0

/** `TlsSettings`, read once. Destinations that share one share connections. */
export class TlsIdentity {
  readonly number = ++identities
  readonly context: SecureContext

  /** @throws AldebaranError OPTION_INVALID */
  constructor({ ca, cert, key, passphrase }: TlsSettings) {
    const authorities = ca === undefined ? [] : Array.isArray(ca) ? [...ca] : [ca as string | Buffer]
    try {
      // OpenSSL passes over what is no certificate, and would then trust nobody.
      for (const authority of authorities) new X509Certificate(authority)
      this.context = createSecureContext({
        ...(ca === undefined ? {} : { ca: authorities }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(passphrase === undefined ? {} : { passphrase }),
        minVersion: 'TLSv1.2',
      })
    } catch (error) {
      // What OpenSSL says names the kind of mistake, and nothing of the key. It is no cause: that could hold more.
      throw new AldebaranError('OPTION_INVALID', `tls: ${messageOf(error)}`, { option: 'tls' })
    }
  }
}

/** `identity`: null for `http:`. */
export function connector(
  addresses: Addresses,
  resolver: HostResolver,
  identity: TlsIdentity | null,
  timeoutMs: number,
): buildConnector.connector {
  const lookup: LookupFunction = (host, options, callback) => {
    resolver.resolve(host).then(
      found => {
        try {
          addresses.checkAll(found, host)
        } catch (error) {
          return callback(error as Error, [])
        }
        const answers = found.map(address => ({ address, family: isIP(address) }))
        if (options.all === true) callback(null, answers)
        else callback(null, answers[0]!.address, answers[0]!.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
  const connect = buildConnector({
    ...(identity === null ? {} : { secureContext: identity.context }),
    rejectUnauthorized: true,
    allowH2: false,
    autoSelectFamily: true,
    timeout: timeoutMs,
    lookup,
  } as buildConnector.BuildOptions)
  return (options, callback) => {
    const host = options.hostname
    // Of an address nothing is looked up.
    const refusal = isIP(host) === 0 ? null : addresses.refusal(host, host)
    if (refusal !== null) return callback(addressRefused(host, refusal), null)
    connect(options, (error: Error | null, socket) => {
      if (error !== null || socket === null) return callback(error ?? new Error('no socket'), null)
      const problem = addresses.refusal(socket.remoteAddress ?? '', host)
      if (problem === null) return callback(null, socket)
      socket.on('error', () => {}).destroy()
      callback(addressRefused(host, problem), null)
    })
  }
}

function addressRefused(host: string, kind: string): AldebaranError {
  return new AldebaranError('ADDRESS_REFUSED', `It may not be sent there: ${host} is a ${kind} address`, { host })
}
