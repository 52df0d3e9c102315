import { isIP } from 'node:net'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { AldebaranError } from '../../errors.ts'
import {
  type AlertChannel,
  type AlertMessage,
  accept,
  headline,
  isPlain,
  type Recipient,
  recipientOf,
  uuidOf,
} from './channel.ts'
import {
  type ChannelOptions,
  invalid,
  isLoopback,
  requirePort,
  requireRecipient,
  requireText,
  requireTimeout,
  type TlsOptions,
} from './options.ts'
import { SmtpSessions } from './smtp-session.ts'
import { Wording } from './wording.ts'

export interface EmailSettings extends ChannelOptions {
  host: string
  /** Default 465 with security 'tls', else 587. */
  port?: number
  /**
   * 'starttls' (default): no mail and no password without it. 'tls': from the first byte on. 'none': in the clear, with
   * credentials only on this machine.
   */
  security?: 'starttls' | 'tls' | 'none'
  auth?: { user: string; password: string }
  /** An address, as 'alerts@example.com' or 'Alerts <alerts@example.com>'. */
  from: string
  /** Addresses, up to 50: all of them get it, or none. */
  to: Recipient | readonly string[]
  tls?: TlsOptions
}

const MOST_RECIPIENTS = 50
const SMTP_MODULE = 'nodemailer/lib/smtp-connection'

/**
 * Email by SMTP, with the package nodemailer. `idempotent` is false: mail servers do not look for repetitions, though
 * mailboxes may, by the Message-ID, which is always the same for an alert.
 * @throws AldebaranError OPTION_INVALID, PACKAGE_MISSING
 */
export async function emailChannel(settings: EmailSettings): Promise<AlertChannel> {
  const { name = 'email', security = 'starttls', auth } = settings
  const host = requireText('host', settings.host, 255)
  if (!['starttls', 'tls', 'none'].includes(security))
    throw invalid('security', "it must be 'starttls', 'tls' or 'none'")
  const port = requirePort('port', settings.port ?? (security === 'tls' ? 465 : 587))
  const credentials =
    auth === undefined
      ? null
      : { user: requireText('auth.user', auth.user), pass: requireText('auth.password', auth.password) }
  if (credentials !== null && security === 'none' && !isLoopback(host)) {
    throw invalid('security', "with credentials it must be 'starttls' or 'tls'")
  }
  const from = parseMailbox(settings.from)
  if (from === null) throw invalid('from', 'it must be an address')
  const to = checkRecipients(settings.to)
  const timeoutMs = requireTimeout('timeout', settings.timeout)
  const { SMTPConnection, MailComposer } = await loadNodemailer()
  const tls = { ...settings.tls, ...(isIP(host) === 0 && { servername: settings.tls?.servername ?? host }) }
  const sessions = new SmtpSessions({
    make: options => new SMTPConnection(options),
    options: {
      host,
      port,
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      // Our own timer is the shorter one.
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs + 60_000,
      tls,
    },
    auth: credentials,
    timeoutMs,
    wording: new Wording(credentials === null ? [] : [credentials.pass, `\0${credentials.user}\0${credentials.pass}`]),
  })
  return {
    name: requireText('name', name),
    idempotent: false,
    async send(given, attempt) {
      const message = accept(given, attempt)
      const recipients = typeof to === 'string' || typeof to === 'function' ? [recipientOf(to, message, attempt)] : to
      const mailboxes = recipients.map(parseMailbox)
      if (!mailboxes.every(mailbox => mailbox !== null)) throw new DeliveryError('reject', 'a recipient is no address')
      const composer = new MailComposer({
        from,
        to: mailboxes,
        subject: headline(message),
        text: bodyOf(message),
        messageId: `<${uuidOf(attempt.id)}@${domainOf(from.address)}>`,
        date: new Date(message.time),
        // RFC 3834: no vacation notice shall answer it.
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Alert-Severity': message.severity },
        disableFileAccess: true,
        disableUrlAccess: true,
      })
      const content = await composer.compile().build()
      await sessions.send({ from: from.address, to: mailboxes.map(one => one.address), content }, attempt.signal)
    },
    close: () => sessions.close(),
  }
}

async function loadNodemailer() {
  try {
    const [{ default: SMTPConnection }, { default: MailComposer }] = await Promise.all([
      import('nodemailer/lib/smtp-connection'),
      import('nodemailer/lib/mail-composer'),
    ])
    return { SMTPConnection, MailComposer }
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new AldebaranError('PACKAGE_MISSING', 'Email channels need nodemailer 10: npm install nodemailer@10', {
      package: SMTP_MODULE.split('/')[0]!,
    })
  }
}

interface Mailbox {
  readonly name: string
  readonly address: string
}

/** Strict: nothing that SMTP or a header would take for more than one address. Null: it is none. */
function parseMailbox(text: unknown): Mailbox | null {
  if (typeof text !== 'string' || !isPlain(text, 320)) return null
  const named = /^([^<>"]*?)\s*<([^<>]+)>$/.exec(text)
  const address = named?.[2] ?? text
  if (!/^[^\s<>()[\]\\,;:"@]{1,64}@[^\s<>()[\]\\,;:"@]{1,253}$/.test(address)) return null
  return { name: named?.[1] ?? '', address }
}

function checkRecipients(to: EmailSettings['to']): Recipient | readonly string[] {
  if (typeof to === 'function') return requireRecipient('to', to)
  const list = typeof to === 'string' ? [to] : to
  const isList = Array.isArray(list) && list.length >= 1 && list.length <= MOST_RECIPIENTS
  if (!isList || list.some(one => parseMailbox(one) === null)) {
    throw invalid('to', `it must be 1 to ${MOST_RECIPIENTS} addresses`)
  }
  return [...list]
}

function bodyOf({ text, source, severity, time, data }: AlertMessage): string {
  const facts = [`Source: ${source}`, `Severity: ${severity}`, `Time: ${new Date(time).toISOString()}`]
  const more = Object.keys(data).length > 0 ? `\n\n${JSON.stringify(data, null, 2)}` : ''
  return `${text}\n\n${facts.join('\n')}${more}\n`
}

function domainOf(address: string): string {
  // An address may have letters that a Message-ID may not.
  const domain = address.slice(address.lastIndexOf('@') + 1)
  return /^[\w.-]+$/.test(domain) ? domain : 'alerts.invalid'
}
