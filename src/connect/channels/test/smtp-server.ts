/** A real SMTP server, and a socket-level one that breaks off where a test says. */
import { createServer, type Socket } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { listening } from './apparatus.ts'

export interface Letter {
  from: string
  to: string[]
  content: string
  isSecure: boolean
  user: string | undefined
  /** Which of its connections it came on. */
  connection: string
}

/** Takes every letter; what it does otherwise stands in the options. */
export async function smtpServer(options: SMTPServerOptions = {}) {
  const letters: Letter[] = []
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 1,
    disabledCommands: options.key === undefined ? ['STARTTLS'] : [],
    allowInsecureAuth: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', chunk => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        letters.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          content: Buffer.concat(chunks).toString(),
          isSecure: session.secure,
          user: session.user,
          connection: session.id,
        })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => {})
  const place = await listening(server.server)
  return {
    port: place.port,
    letters,
    sockets: place.sockets,
    // By its own means: to destroy a socket below a TLS server of another make ends some versions of Node.
    [Symbol.asyncDispose]: () => new Promise<void>(resolve => server.close(() => resolve())),
  }
}

export type Step = 'greeting' | 'EHLO' | 'MAIL' | 'RCPT' | 'DATA' | 'content' | 'dot'
type Deed = string | ((socket: Socket) => void)

/** Speaks SMTP by itself, without any extension, and at the steps that are named does what is said there: an answer or a deed. */
export async function brokenSmtpServer(deeds: Partial<Record<Step, Deed>>) {
  let came: (step: Step) => void = () => {}
  const seen: Step[] = []
  const server = createServer(socket => {
    let isContent = false
    let text = ''
    const step = (name: Step, usual: string) => {
      seen.push(name)
      const deed = deeds[name] ?? usual
      if (typeof deed === 'function') deed(socket)
      else if (deed !== '') socket.write(`${deed}\r\n`)
      came(name)
    }
    step('greeting', '220 broken.test')
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      while (!socket.destroyed) {
        if (isContent) {
          if (deeds.content !== undefined && text !== '') {
            socket.removeAllListeners('data')
            return step('content', '')
          }
          if (!text.includes('\r\n.\r\n')) return
          text = text.slice(text.indexOf('\r\n.\r\n') + 5)
          isContent = false
          step('dot', '250 taken')
        } else {
          const end = text.indexOf('\r\n')
          if (end === -1) return
          const verb = text.slice(0, 4).toUpperCase()
          text = text.slice(end + 2)
          if (verb === 'EHLO' || verb === 'MAIL' || verb === 'RCPT') step(verb, '250 ok')
          else if (verb === 'DATA') {
            isContent = deeds.DATA === undefined
            step('DATA', '354 go on')
          } else socket.write('250 ok\r\n')
        }
      }
    })
  })
  const place = await listening(server)
  return {
    port: place.port,
    seen,
    at: (wanted: Step) =>
      new Promise<void>(resolve => {
        came = step => step === wanted && resolve()
      }),
    [Symbol.asyncDispose]: place[Symbol.asyncDispose],
  }
}
