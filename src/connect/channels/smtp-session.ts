/**
 * SMTP connections by nodemailer, kept for further messages, and what is certain about each message (RFC 5321).
 *
 * 1. A server has a message when it answers the final dot with 2xx, and not before the dot came. So until the last of the
 *    content is given to the connection a failure is certain; after that only an answer of 4xx or 5xx is.
 * 2. All recipients or none: if one is refused, the connection is cut before any content is sent.
 * 3. A connection is used by one message at a time, and goes back to the idle ones only after a success.
 */
import { Readable } from 'node:stream'
import type SMTPConnection from 'nodemailer/lib/smtp-connection'
import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import type { Wording } from './wording.ts'

export type SmtpConnection = SMTPConnection
type ConnectionOptions = ConstructorParameters<typeof SMTPConnection>[0]

export interface SmtpSettings {
  readonly make: (options: ConnectionOptions) => SmtpConnection
  readonly options: NonNullable<ConnectionOptions>
  readonly auth: { readonly user: string; readonly pass: string } | null
  readonly timeoutMs: number
  readonly wording: Wording
}

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly content: Buffer
}

/** What nodemailer throws. */
interface SmtpFailure extends Error {
  code?: string
  command?: string
  responseCode?: number
}

interface Idle {
  readonly connection: SmtpConnection
  /** It is idle no more. */
  readonly end: () => void
}

/** One message on its way. */
interface Passage {
  /** The last of the content was given to the connection. */
  isWhole: boolean
  fail: (error: Error) => void
}

const IDLE_MS = 15_000
const MOST_IDLE = 4

export class SmtpSessions {
  readonly #settings: SmtpSettings
  readonly #idle: Idle[] = []
  readonly #open = new Map<SmtpConnection, Passage>()

  constructor(settings: SmtpSettings) {
    this.#settings = settings
  }

  /** @throws DeliveryError */
  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    const held = this.#idle.at(-1)
    if (held !== undefined) {
      held.end()
      try {
        return await this.#within(held.connection, mail, signal, false)
      } catch (error) {
        // A server ends a quiet connection when it likes: what it has not got goes on a new one.
        if (!(error instanceof ConnectionLost) || error.fate !== 'retry' || signal.aborted) throw error
      }
    }
    return this.#within(this.#settings.make(this.#settings.options), mail, signal, true)
  }

  close(): void {
    for (const { connection, end } of [...this.#idle]) {
      end()
      connection.close()
    }
    for (const passage of this.#open.values()) passage.fail(new Error('the channel was closed'))
  }

  #within(connection: SmtpConnection, mail: Mail, signal: AbortSignal, isNew: boolean): Promise<void> {
    const { timeoutMs } = this.#settings
    return new Promise((resolve, reject) => {
      let isOver = false
      const end = () => {
        isOver = true
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        connection.removeListener('error', passage.fail)
        this.#open.delete(connection)
      }
      const passage: Passage = {
        isWhole: false,
        fail: error => {
          if (isOver) return
          end()
          // Its late errors are of no interest, but nobody listening for them would end the process.
          connection.on('error', () => {})
          connection.close()
          reject(error instanceof DeliveryError ? error : this.#judge(error, passage.isWhole))
        },
      }
      const abort = () => passage.fail(new Error('given up before it was taken'))
      const timer = setTimeout(() => passage.fail(new Error(`not taken within ${timeoutMs} ms`)), timeoutMs)
      signal.addEventListener('abort', abort)
      this.#open.set(connection, passage)
      connection.on('error', passage.fail)
      const deliver = () =>
        this.#deliver(connection, mail, passage, () => {
          if (isOver) return
          end()
          this.#keep(connection)
          resolve()
        })
      if (isNew) this.#connect(connection, passage, deliver)
      else deliver()
    })
  }

  #connect(connection: SmtpConnection, { fail }: Passage, done: () => void): void {
    const { auth } = this.#settings
    connection.connect(error => {
      if (error) fail(error)
      else if (auth === null) done()
      else {
        connection.login({ user: auth.user, pass: auth.pass, credentials: auth }, failure =>
          failure === null ? done() : fail(failure),
        )
      }
    })
  }

  #deliver(connection: SmtpConnection, { from, to, content }: Mail, passage: Passage, done: () => void): void {
    // nodemailer notes in it which recipients were refused.
    const envelope: { from: string; to: string[]; rejectedErrors?: SmtpFailure[] } = { from, to: [...to] }
    let begun = false
    const body = new Readable({
      read() {
        if (!begun) {
          const refused = envelope.rejectedErrors?.[0]
          if (refused !== undefined) return passage.fail(refused)
          begun = true
          this.push(content)
        } else {
          passage.isWhole = true
          this.push(null)
        }
      },
    })
    connection.send(envelope, body, error => (error === null ? done() : passage.fail(error)))
  }

  #keep(connection: SmtpConnection): void {
    if (this.#idle.length >= MOST_IDLE || connection.destroyed) {
      connection.on('error', () => {})
      connection.quit()
      return
    }
    const end = () => {
      clearTimeout(timer)
      connection.removeListener('error', end)
      connection.removeListener('end', end)
      this.#idle.splice(this.#idle.indexOf(idle), 1)
    }
    const timer = setTimeout(() => {
      end()
      connection.on('error', () => {})
      connection.quit()
    }, IDLE_MS).unref()
    const idle: Idle = { connection, end }
    connection.on('error', end)
    connection.on('end', end)
    this.#idle.push(idle)
  }

  #judge(error: SmtpFailure, isWhole: boolean): DeliveryError {
    const { responseCode = 0, command = '' } = error
    const why = this.#settings.wording.of(error.message)
    const isAnswer = responseCode >= 400 && responseCode < 600
    if (!isAnswer) return new ConnectionLost(isWhole ? 'unknown' : 'retry', why)
    return new DeliveryError(fateOf(error.code, command, responseCode), why)
  }
}

/** There was no answer: the connection may have been a stale one. */
class ConnectionLost extends DeliveryError {}

function fateOf(code: string | undefined, command: string, answer: number): DeliveryFate {
  // 450 to 452 are of mailboxes and of space; with 421 the server ends the connection, mostly because it has too much to do.
  if (answer === 421) return 'throttle'
  if (answer < 500) return 'retry'
  // Who may send, and by what, can be corrected here or there; a refused recipient or content stays refused.
  const isOurs = code === 'EAUTH' || ['CONN', 'EHLO', 'HELO', 'STARTTLS'].includes(command) || answer === 530
  return isOurs ? 'retry' : 'reject'
}
