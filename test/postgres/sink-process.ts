/** A process to be killed: it sends records without end, and writes them to its embedded PostgreSQL. */
import { join } from 'node:path'
import { SinkScene, sinkOf, TABLE } from './sink-scene.ts'

const [folder, first] = process.argv.slice(2) as [string, string]
const scene = await SinkScene.openIn(
  folder,
  sinkOf({
    mode: 'append',
    pglite: join(folder, 'postgres'),
    batch: { rows: 50, time: '5ms' },
    setup: async ({ query }) => void (await query(TABLE)),
  }),
)
for (let number = Number(first); ; number += 20) {
  await scene.send(number, 20)
  await new Promise(resolve => setTimeout(resolve, 2))
  const { records, problem } = scene.state()
  process.stdout.write(`${JSON.stringify({ records, problem: problem?.message ?? null })}\n`)
}
