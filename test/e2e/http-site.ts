import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HttpSettings, serve } from '../../src/http/serve.ts'
import type { Running } from '../../src/runtime/start.ts'
import type { BodyAnswer, EventAnswer } from './answers.ts'
import { startShop } from './http-application.ts'

export interface Answer {
  status: number
  headers: Headers
  body: BodyAnswer
  text: string
}

/** A shop with its API, in a folder of its own. */
export class TestSite {
  readonly running: Running
  readonly url: string
  readonly #close: () => Promise<void>

  constructor(running: Running, url: string, close: () => Promise<void>) {
    this.running = running
    this.url = url
    this.#close = close
  }

  static async open(settings: HttpSettings = {}, maxSize = '1GB', begin = startShop): Promise<TestSite> {
    const folder = await mkdtemp(join(tmpdir(), 'aldebaran-http-'))
    const running = await begin(folder, maxSize)
    try {
      const server = await serve([running], { port: 0, tokens: [], ...settings })
      await running.ready()
      return new TestSite(running, server.url, async () => {
        await server.close()
        await running.stop()
        await rm(folder, { recursive: true })
      })
    } catch (error) {
      await running.stop()
      await rm(folder, { recursive: true })
      throw error
    }
  }

  close(): Promise<void> {
    return this.#close()
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return await answerOf(await fetch(this.url + path, { headers, redirect: 'manual' }))
  }

  async post(path: string, body: string | Uint8Array, type = 'application/json', headers = {}): Promise<Answer> {
    const init = { method: 'POST', body: Buffer.from(body), headers: { 'content-type': type, ...headers } }
    return await answerOf(await fetch(this.url + path, init))
  }

  postJson(path: string, json: unknown): Promise<Answer> {
    return this.post(path, JSON.stringify(json))
  }

  /** Resolves when the condition holds; looks again whenever the log changed. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await this.running.log.changed(20)
  }

  /** Resolves when every record was processed, and what came of it committed. */
  async processed(): Promise<void> {
    await this.until(async () => (await this.get('/lag')).body.total === 0)
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json')
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined }
}

export interface ServerEvent {
  id: string | null
  event: string
  data: EventAnswer
}

/** Server-sent events, one at a time. Ends the connection when the loop is left. */
export async function* events(url: string, headers: Record<string, string> = {}): AsyncGenerator<ServerEvent, void> {
  const leave = new AbortController()
  const response = await fetch(url, { headers, signal: leave.signal })
  if (response.status !== 200 || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
  try {
    let text = ''
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const fields = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        const field = (name: string) => fields.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2)
        const data = field('data')
        if (data !== undefined) yield { id: field('id') ?? null, event: field('event') ?? '', data: JSON.parse(data) }
      }
    }
  } finally {
    leave.abort()
  }
}
