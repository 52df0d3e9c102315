// @ts-check
// The real servers that tests use: one program (test/servers/serve.ts) installs and starts those that the chosen files
// need, and ends them when this process is gone, however it went.
//
// To add one: a file in test/servers that starts it, its name here and in serve.ts. A test file needs the server NAME
// when it is called *.NAME.test.ts or lies below test/NAME/.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ROOT, SetupError } from './prepare.mjs'

const SERVERS = ['kafka', 'postgres']

/**
 * @typedef {object} TestServers
 * @property {Record<string, string>} environment what tests find them by
 * @property {string[]} files those whose servers are there
 * @property {string[]} missing why, one line for each server that could not be had
 * @property {() => Promise<void>} end
 */

/**
 * Starts what these test files need; nothing when they need nothing.
 * @param {string} node
 * @param {string[]} files
 * @returns {Promise<TestServers>}
 * @throws {SetupError} when a server is there and does not start
 */
export async function startTestServers(node, files) {
  const names = SERVERS.filter(name => files.some(file => needs(file, name)))
  if (names.length === 0) return { environment: {}, files, missing: [], end: async () => {} }
  const child = spawn(node, [join(ROOT, 'test', 'servers', 'serve.ts'), ...names], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
    // Ctrl-C in a terminal is for the tests; this program ends after them.
    detached: true,
  })
  const closed = once(child, 'close')
  let said = ''
  for await (const text of child.stdout.setEncoding('utf8')) {
    said += text
    if (said.endsWith('\n')) break
  }
  if (said === '') throw new SetupError(`the servers of the tests did not start (${names.join(', ')}): see above`)
  /** @type {{ environment: Record<string, string>, missing: Record<string, string> }} */
  const { environment, missing } = JSON.parse(said)
  const unavailable = Object.keys(missing)
  return {
    environment,
    files: files.filter(file => !unavailable.some(name => needs(file, name))),
    missing: Object.values(missing),
    end: async () => {
      child.stdin.end()
      await closed
    },
  }
}

/**
 * @param {string} file
 * @param {string} name of a server
 */
export function needs(file, name) {
  return file.endsWith(`.${name}.test.ts`) || file.startsWith(`test/${name}/`)
}
