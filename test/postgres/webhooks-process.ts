/** The webhook notifier in a process of its own, as `aldebaran run` starts it, with an outbox. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Client } from 'pg'

const ROOT = join(import.meta.dirname, '..', '..')

export interface WebhooksProcessSettings {
  data: string
  /** WEBHOOKS_KEY, and whatever else is to be set. */
  environment: Readonly<Record<string, string>>
}

export class WebhooksProcess {
  readonly url: string
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  private constructor(url: string, child: ChildProcess, closed: Promise<unknown>) {
    this.url = url
    this.#child = child
    this.#closed = closed
  }

  /** Resolves when it is ready. */
  static async start({ data, environment }: WebhooksProcessSettings): Promise<WebhooksProcess> {
    const args = ['run', join(ROOT, 'apps/webhooks/entry.ts'), '--data', data, '--port', '0', '--durability', 'process']
    const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), ...args, '--json'], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const closed = once(child, 'close')
    let errors = ''
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString()
    })
    const lines = createInterface({ input: child.stdout })
    const line = await Promise.race([once(lines, 'line'), closed.then(() => null)])
    assert.ok(line !== null, `it ended before it was ready: ${errors}`)
    const { url } = JSON.parse(line[0] as string) as { url: string }
    return new WebhooksProcess(url, child, closed)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** Makes an endpoint of account acme. */
  async endpoint(url: string): Promise<void> {
    const response = await fetch(`${this.url}/webhooks/accounts/acme/endpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url }),
    })
    assert.equal(response.status, 201, await response.text())
  }

  /** The try of an event is on record: what was delivered will not be sent again. */
  async hasTried(event: string): Promise<boolean> {
    const response = await fetch(`${this.url}/webhooks/accounts/acme/events/${event}/attempts`)
    const { attempts } = (await response.json()) as { attempts: unknown[] }
    return attempts.length > 0
  }

  async metric(name: string): Promise<number | undefined> {
    const text = await (await fetch(`${this.url}/metrics`)).text()
    const found = new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)
    return found === null ? undefined : Number(found[1])
  }
}

/** Resolves when it holds; PostgreSQL waits between two looks. */
export async function until(client: Client, condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await client.query('SELECT pg_sleep(0.02)')
}
