/** An HTTP server that answers as a test says, and remembers what it was sent. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listening } from './apparatus.ts'

export interface Received {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
  /** Which of its connections it came on. */
  connection: number
}

type Answer =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  /** After the request came as a whole. */
  | 'reset'
  | 'silence'
  | 'garbage'
  | ((response: ServerResponse) => void)

export async function httpServer(...answers: Answer[]) {
  const received: Received[] = []
  const numbers = new WeakMap<object, number>()
  let connections = 0
  let waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      received.push({
        method: request.method!,
        path: request.url!,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
        connection: numbers.get(request.socket)!,
      })
      give(answers.length > 1 ? answers.shift()! : answers[0]!, response)
      for (const wake of waiting) wake()
      waiting = []
    })
  })
  server.on('connection', socket => numbers.set(socket, ++connections))
  const place = await listening(server)
  return {
    ...place,
    url: `http://127.0.0.1:${place.port}`,
    received,
    /** Resolves with the next request. */
    next: () => new Promise<void>(resolve => waiting.push(resolve)),
    [Symbol.asyncDispose]: place[Symbol.asyncDispose],
  }
}

function give(answer: Answer, response: ServerResponse): void {
  if (answer === 'silence') return
  if (answer === 'reset') response.socket!.resetAndDestroy()
  else if (answer === 'garbage') response.socket!.end('I do not speak HTTP\r\n\r\n')
  else if (typeof answer === 'function') answer(response)
  else {
    const { status, body = '', headers = {} } = answer
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}
