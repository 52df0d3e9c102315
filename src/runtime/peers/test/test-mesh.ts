/** A node in this process, and what it heard, so that a test can wait for it. */

import type { Endpoint, PeerInfo } from '../peer-info.ts'
import { type MeshSettings, PeerMesh } from '../peer-mesh.ts'

/** Grows; a test waits until it holds what it waits for. */
export class Heard {
  readonly lines: string[] = []
  #more = Promise.withResolvers<void>()

  add(line: string): void {
    this.lines.push(line)
    this.#more.resolve()
    this.#more = Promise.withResolvers()
  }

  count(line: string | RegExp): number {
    return this.lines.filter(one => (typeof line === 'string' ? one === line : line.test(one))).length
  }

  /** Resolves when a line was heard so many times. */
  async until(line: string | RegExp, times = 1): Promise<void> {
    while (this.count(line) < times) await this.#more.promise
  }
}

export interface TestMesh {
  mesh: PeerMesh
  heard: Heard
  endpoint: Endpoint
  info: { -readonly [Name in keyof PeerInfo]: PeerInfo[Name] }
}

/** Lines: `alive NODE`, `dead NODE`, `buried by NODE`, `message TEXT of NODE`, `report MESSAGE: DETAILS`. */
export async function startMesh(node: string, settings: Partial<MeshSettings> = {}): Promise<TestMesh> {
  const heard = new Heard()
  const info = { node, members: [], transactionalIds: [`${node}-0`], api: null, startedAt: 1 }
  const mesh = new PeerMesh({
    secret: null,
    info: () => info,
    answer: async question => ({ by: node, question }),
    onPeer: peer => heard.add(`alive ${peer.node}`),
    onDead: peer => heard.add(`dead ${peer.node}`),
    onBuried: by => heard.add(`buried by ${by}`),
    onMessage: (message, from) => heard.add(`message ${JSON.stringify(message)} of ${from}`),
    report: (_level, message, details) =>
      heard.add(`report ${message}: ${details.reason ?? details.problem ?? details.why}`),
    ...settings,
  })
  return { mesh, heard, endpoint: await mesh.listen(), info }
}
