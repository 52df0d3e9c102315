/** How all requests are shown to receivers by TLS, and whom they trust, as the environment says it. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { AldebaranError, type TlsSettings } from 'aldebaran'
import { parseIdentity } from './client-certificates.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** undefined: as Node has it. @throws AldebaranError OPTION_INVALID */
export function tlsFrom(environment: Environment): TlsSettings | undefined {
  const { WEBHOOKS_CLIENT_CERT: certificate = '', WEBHOOKS_CLIENT_KEY: key = '', WEBHOOKS_CA: ca = '' } = environment
  if (certificate === '' && key === '' && ca === '') return undefined
  if ((certificate === '') !== (key === '')) throw invalid('WEBHOOKS_CLIENT_CERT', 'goes with WEBHOOKS_CLIENT_KEY')
  return {
    ...(certificate === '' ? {} : identityFrom(certificate, key)),
    ...(ca === '' ? {} : { ca: authoritiesFrom(ca) }),
  }
}

function identityFrom(certificateFile: string, keyFile: string): TlsSettings {
  const certificate = read('WEBHOOKS_CLIENT_CERT', certificateFile)
  const key = read('WEBHOOKS_CLIENT_KEY', keyFile)
  try {
    const identity = parseIdentity({ certificate, key }, Date.now())
    return { cert: identity.certificate, key: identity.key }
  } catch (error) {
    throw invalid('WEBHOOKS_CLIENT_CERT', (error as Error).message)
  }
}

/** Those of the file beside those of Node: an own authority is no reason to trust no other. */
function authoritiesFrom(file: string): string[] {
  const blocks = read('WEBHOOKS_CA', file).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw invalid('WEBHOOKS_CA', `${file} has no certificate (PEM)`)
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    throw invalid('WEBHOOKS_CA', `${file} has a certificate that cannot be read`)
  }
  return [...getCACertificates('default'), ...blocks]
}

function read(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw invalid(option, (error as Error).message)
  }
}

function invalid(option: string, problem: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${problem}`, { option })
}
