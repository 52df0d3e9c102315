import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Endpoint } from '../peer-info.ts'
import type { Order } from './peer-node.ts'
import { Heard } from './test-mesh.ts'

const PROGRAM = new URL('./peer-node.ts', import.meta.url)

/** The program `peer-node.ts` while it runs. */
export class PeerProcess {
  readonly heard = new Heard()
  endpoint: Endpoint = { host: '127.0.0.1', port: 0 }
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#closed = once(child, 'close')
  }

  static async start(node: string, port = 0): Promise<PeerProcess> {
    const child = fork(PROGRAM, [node, String(port)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    const started = new PeerProcess(child)
    const listens = Promise.withResolvers<number>()
    child.once('close', () => listens.reject(new Error(`${node} ended`)))
    createInterface({ input: child.stdout! }).on('line', line => {
      if (line.startsWith('listens ')) listens.resolve(Number(line.slice(8)))
      started.heard.add(line)
    })
    started.endpoint = { host: '127.0.0.1', port: await listens.promise }
    return started
  }

  send(order: Order): void {
    this.#child.send(order)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Also one that is stopped. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}
