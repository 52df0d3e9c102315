/** The receiver of deliveries in a process of its own, and what a plain client sends it a second. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Pool } from 'undici'
import type { ReceiverAsk, ReceiverReady, ReceiverStats } from './deliveries-receiver.ts'

export class ReceiverProcess implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.url = `http://127.0.0.1:${port}`
  }

  /** `delay`: before an answer, ms. `refused`: share of the numbered events that it refuses. */
  static async start(delay: number, refused = 0): Promise<ReceiverProcess> {
    const program = new URL('./deliveries-receiver.ts', import.meta.url)
    const child = fork(program, [String(delay), String(refused)], { execArgv: [], serialization: 'advanced' })
    const [{ port }] = (await once(child, 'message')) as [ReceiverReady]
    return new ReceiverProcess(child, port)
  }

  async ask(ask: ReceiverAsk): Promise<ReceiverStats> {
    const answer = once(this.#child, 'message')
    this.#child.send(ask)
    return (await answer)[0] as ReceiverStats
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

/** Posts a second that an undici Pool makes with nothing around it. */
export async function ceilingOf(url: string, events: number, body: Buffer, connections: number): Promise<number> {
  const pool = new Pool(url, { connections })
  const headers = { 'content-type': 'application/json', 'webhook-id': 'events/0/0' }
  let left = 0
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const answer = await pool.request({ path: '/hook', method: 'POST', headers, body })
      await answer.body.dump()
    }
  }
  const post = async (count: number): Promise<number> => {
    left = count
    const begun = performance.now()
    await Promise.all(Array.from({ length: connections }, lane))
    return (performance.now() - begun) / 1000
  }
  await post(Math.min(events, 5000))
  const seconds = await post(events)
  await pool.close()
  return events / seconds
}
