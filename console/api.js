// @ts-check
// The HTTP API as the console uses it: JSON, and server-sent events that come back by themselves after a loss.

const TOKEN = 'aldebaran.token'
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 10_000
/** A stream that says nothing for so long, not even a heartbeat, is taken for lost. */
const SILENCE_MS = 40_000
const POLL_MS = 2000

/** The server asks for a token, or for another one. */
export class Unauthorized extends Error {}

/** @returns {string | null} */
export function token() {
  return sessionStorage.getItem(TOKEN)
}

/** @param {string} value kept until the tab is closed */
export function keepToken(value) {
  sessionStorage.setItem(TOKEN, value)
}

/**
 * @param {string} path from the root of the server
 * @param {AbortSignal} [signal]
 * @returns {Promise<unknown>}
 */
export async function get(path, signal) {
  const response = await ask(path, 'application/json', signal)
  return await response.json()
}

/**
 * @param {string} path from the root of the server
 * @param {unknown} body sent as JSON
 * @returns {Promise<unknown>}
 */
export async function post(path, body) {
  const init = { method: 'POST', body: JSON.stringify(body) }
  const response = await ask(path, 'application/json', undefined, { 'content-type': 'application/json' }, init)
  return await response.json()
}

/**
 * @param {string} path
 * @param {string} accept
 * @param {AbortSignal} [signal]
 * @param {Record<string, string>} [more] headers
 * @param {RequestInit} [init]
 */
async function ask(path, accept, signal, more = {}, init = {}) {
  const known = token()
  const response = await fetch(path, {
    ...init,
    headers: { accept, ...more, ...(known === null ? {} : { authorization: `Bearer ${known}` }) },
    cache: 'no-store',
    signal: signal ?? null,
  })
  if (response.status === 401) throw new Unauthorized('a token is needed')
  if (!response.ok) throw new Error(await reasonOf(response))
  return response
}

/** @param {Response} response */
async function reasonOf(response) {
  const body = await response.json().catch(() => null)
  return body?.error?.message ?? `HTTP ${response.status}`
}

/**
 * @typedef {{
 *   event: (data: unknown) => void,
 *   state: (state: 'open' | 'lost', error: Error | null) => void,
 *   unauthorized: () => void
 * }} Listener
 */

/**
 * Follows a stream of events. After a loss it waits a little longer each time and goes on where it was.
 * @param {string} path
 * @param {Listener} listener
 * @param {string | null} [poll] asked every other second as long as the stream cannot be had
 * @returns {() => void} ends it
 */
export function follow(path, listener, poll = null) {
  const stop = new AbortController()
  void run()
  return () => stop.abort()

  async function run() {
    /** @type {{ id: string | null }} */
    const last = { id: null }
    let retryMs = FIRST_RETRY_MS
    while (!stop.signal.aborted) {
      try {
        const opened = () => {
          retryMs = FIRST_RETRY_MS
          listener.state('open', null)
        }
        await readStream(path, last, stop.signal, opened, listener.event)
        if (stop.signal.aborted) return
        listener.state('lost', null)
      } catch (error) {
        if (stop.signal.aborted) return
        if (error instanceof Unauthorized) return listener.unauthorized()
        const failure = error instanceof Error ? error : new Error(String(error))
        if (poll !== null && (await pollOnce(poll))) {
          await pause(POLL_MS, stop.signal)
          continue
        }
        listener.state('lost', failure)
      }
      await pause(retryMs, stop.signal)
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
    }
  }

  /** @param {string} from */
  async function pollOnce(from) {
    try {
      const data = await get(from, stop.signal)
      listener.state('open', null)
      listener.event(data)
      return true
    } catch {
      return false
    }
  }
}

/**
 * @param {string} path
 * @param {{ id: string | null }} last id of the last event, kept for the next time
 * @param {AbortSignal} signal
 * @param {() => void} opened
 * @param {(data: unknown) => void} event
 */
async function readStream(path, last, signal, opened, event) {
  const silence = new AbortController()
  const both = AbortSignal.any([signal, silence.signal])
  let timer = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const resume = last.id === null ? {} : { 'last-event-id': last.id }
    const response = await ask(path, 'text/event-stream', both, /** @type {Record<string, string>} */ (resume))
    if (response.body === null) return
    opened()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENCE_MS)
      rest += value.replaceAll('\r\n', '\n')
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const { id, data } = eventOf(block)
        if (id !== null) last.id = id
        if (data !== null) event(JSON.parse(data))
      }
    }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * @param {string} block the lines of one event
 * @returns {{ id: string | null, data: string | null }} data null: a comment, or an event of another kind
 */
export function eventOf(block) {
  /** @type {string | null} */
  let id = null
  /** @type {string[]} */
  const data = []
  for (const line of block.split('\n')) {
    if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
    else if (line.startsWith('id:')) id = line.slice(3).trim()
  }
  return { id, data: data.length === 0 ? null : data.join('\n') }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function pause(ms, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms, null)
    const wake = () => {
      clearTimeout(timer)
      resolve(null)
    }
    signal.addEventListener('abort', wake, { once: true })
  })
}
