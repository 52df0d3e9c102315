/** A node in a process of its own: NAME PORT. It prints what it hears, and does what it is sent. */
import type { Endpoint } from '../peer-info.ts'
import { startMesh } from './test-mesh.ts'

export type Order = { peers: Endpoint[] } | { stallMs: number } | { tell: string } | 'leave'

const { mesh, heard, endpoint } = await startMesh(process.argv[2]!, { port: Number(process.argv[3]) })
const print = (line: string): boolean => process.stdout.write(`${line}\n`)
for (const line of heard.lines) print(line)
heard.add = print as (line: string) => void
print(`listens ${endpoint.port}`)
process.on('message', (order: Order) => {
  if (order === 'leave') void mesh.close().then(() => process.disconnect?.())
  else if ('peers' in order) mesh.setPeers(order.peers)
  else if ('tell' in order) mesh.tell(order.tell)
  else stall(order.stallMs)
})
// Whoever started it has ended.
process.on('disconnect', () => process.exit())

function stall(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
