/** The notifier as it is served, with quick retries, and a receiver that it may send to. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Running } from 'aldebaran'
import { serveApplication } from '../serve.ts'
import { Receiver } from './receiver.ts'

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, which the tests look into
  body: any
}

const RETRY = '20ms,20ms'

export class WebhooksSite {
  readonly receiver: Receiver
  readonly folder: string
  running: Running

  private constructor(receiver: Receiver, folder: string, running: Running) {
    this.receiver = receiver
    this.folder = folder
    this.running = running
  }

  static async open(variables: Record<string, string> = {}): Promise<WebhooksSite> {
    const receiver = await Receiver.open()
    const folder = await mkdtemp(join(tmpdir(), 'aldebaran-webhooks-'))
    Object.assign(process.env, { WEBHOOKS_RETRY: RETRY, WEBHOOKS_TRUSTED: receiver.origin, ...variables })
    return new WebhooksSite(receiver, folder, await serve(folder))
  }

  async restart(): Promise<void> {
    await this.running.stop()
    this.running = await serve(this.folder)
  }

  async close(): Promise<void> {
    await this.running.stop()
    await this.receiver.close()
    await rm(this.folder, { recursive: true })
  }

  /** `path`: behind /webhooks/accounts. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const response = await fetch(`${this.running.url}/webhooks/accounts${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }

  async get(path: string): Promise<Answer> {
    const response = await fetch(this.running.url + path)
    return { status: response.status, body: await response.json() }
  }

  /** An endpoint at a path of the receiver. Throws unless it was made. */
  async endpoint(
    account: string,
    path: string,
    more: object = {},
  ): Promise<{ id: string; secret: string; publicKey: string }> {
    const { status, body } = await this.call('POST', `/${account}/endpoints`, {
      url: this.receiver.origin + path,
      ...more,
    })
    if (status !== 201) throw new Error(JSON.stringify(body))
    return body
  }

  /** Sends an event; resolves with its id. Throws unless it was taken. */
  async event(account: string, type: string, data: unknown, more: object = {}): Promise<string> {
    const { status, body } = await this.call('POST', `/${account}/events`, { type, data, ...more })
    if (status !== 202) throw new Error(JSON.stringify(body))
    return body.ids[0]
  }

  /** Resolves when it holds; looks again whenever the log changed. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await this.running.log.changed(20)
  }

  /** Resolves when every record was processed, and what came of it committed. */
  async processed(): Promise<void> {
    await this.until(async () => (await this.get('/lag')).body.total === 0)
  }
}

function serve(folder: string): Promise<Running> {
  return serveApplication({
    data: join(folder, 'webhooks'),
    host: '127.0.0.1',
    port: 0,
    durability: 'process',
    speed: 0,
    report: () => {},
  })
}
