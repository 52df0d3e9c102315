/** Apple's side of HTTP/2: checks the signature of each token, and answers as a test says. */
import { verify } from 'node:crypto'
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { makeCertificates } from '../../../../test/servers/certificates.ts'
import { listening } from './apparatus.ts'

export interface Push {
  headers: IncomingHttpHeaders
  body: string
  /** Which of its connections it came on. */
  connection: number
  stream: ServerHttp2Stream
}

type Answer = { status: number; reason?: string; headers?: Record<string, string> } | 'silence' | ((push: Push) => void)

export async function apnsServer(publicKey: string, ...answers: Answer[]) {
  const { authority, server: own } = makeCertificates()
  const server = createSecureServer({ key: own.key, cert: own.certificate })
  const received: Push[] = []
  const sessions: ServerHttp2Session[] = []
  const numbers = new WeakMap<object, number>()
  let waiting: (() => void)[] = []
  let pings = 0
  server.on('session', session => {
    numbers.set(session, sessions.push(session))
    session.on('error', () => {})
    session.on('ping', () => pings++)
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      const connection = numbers.get(stream.session!)!
      const push = { headers, body: Buffer.concat(chunks).toString(), connection, stream }
      received.push(push)
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!
      if (!isSigned(headers.authorization, publicKey)) respond(stream, 403, 'InvalidProviderToken')
      else if (typeof answer === 'function') answer(push)
      else if (answer !== 'silence') respond(stream, answer.status, answer.reason, answer.headers)
      for (const wake of waiting) wake()
      waiting = []
    })
  })
  const place = await listening(server)
  return {
    endpoint: `https://127.0.0.1:${place.port}`,
    authority,
    received,
    sessions,
    pings: () => pings,
    next: () => new Promise<void>(resolve => waiting.push(resolve)),
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      await place[Symbol.asyncDispose]()
    },
  }
}

export function respond(stream: ServerHttp2Stream, status: number, reason?: string, headers = {}): void {
  stream.respond({ ':status': status, ...headers })
  stream.end(reason === undefined ? '' : JSON.stringify({ reason }))
}

function isSigned(authorization: string | undefined, publicKey: string): boolean {
  const [, content = '', signature = ''] = /^bearer ([\w-]+\.[\w-]+)\.([\w-]+)$/.exec(authorization ?? '') ?? []
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  return verify('sha256', Buffer.from(content), key, Buffer.from(signature, 'base64url'))
}
