/**
 * The program that scripts/test.mjs runs beside the tests: `serve.ts NAME …` installs and starts the servers named,
 * writes one line of JSON, and ends them when its input ends, however the process at the other end of it came to that.
 */
import { once } from 'node:events'
import { serveKafka } from './kafka.ts'
import { servePostgres } from './postgres.ts'
import { ServerUnavailable, type SharedServer } from './shared-server.ts'

const SERVERS: Record<string, () => Promise<SharedServer>> = { kafka: serveKafka, postgres: servePostgres }

const servers: SharedServer[] = []
const inputEnded = once(process.stdin.resume(), 'close').then(async () => {
  await Promise.all(servers.map(server => server.end()))
  process.exit()
})

const missing: Record<string, string> = {}
for (const name of process.argv.slice(2)) {
  try {
    servers.push(await SERVERS[name]!())
  } catch (error) {
    if (!(error instanceof ServerUnavailable)) throw error
    missing[name] = error.message
  }
}
const environment = Object.assign({}, ...servers.map(server => server.environment))
process.stdout.write(`${JSON.stringify({ environment, missing })}\n`)
await inputEnded
