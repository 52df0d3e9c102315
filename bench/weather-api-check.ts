/**
 * Writes values, and reads each city the moment the stream of changes has shown its new one: the answer must have it, and an
 * ETag that it never had before.
 */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import type { Forecast } from '../apps/weather/schemas.ts'
import { forecastOf, MINUTE } from './weather-api-forecasts.ts'

export interface Checked {
  writes: number
  reads: number
  /** Reads that showed less than was written, or had an ETag of before. */
  stale: number
}

/** Values of one write. */
const AT_ONCE = 20

export async function checkReads(
  url: string,
  cities: readonly string[],
  writes: number,
  firstWindow: number,
  write: (values: Forecast[]) => Promise<void>,
): Promise<Checked> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const stream = request(`${url}/weather/live`, { agent: false }).end()
  const [events] = (await once(stream, 'response')) as [IncomingMessage]
  const forecasts = eventsOf(events)
  await forecasts.next()
  const etags = new Map<string, Set<string>>()
  let stale = 0
  let reads = 0
  const check = async (path: string, { windowStart, heatIndex }: Forecast, newest: (body: Body) => Forecast) => {
    const { etag, body } = await get(agent, url + path)
    const seen = etags.get(path) ?? new Set()
    etags.set(path, seen)
    const { windowStart: start, heatIndex: value } = newest(body)
    if (start !== windowStart || value !== heatIndex || seen.has(etag)) stale++
    seen.add(etag)
    reads++
  }
  for (let written = 0; written < writes; written += AT_ONCE) {
    const values = Array.from({ length: Math.min(AT_ONCE, writes - written) }, (_, i) => {
      const number = written + i
      const window = firstWindow + Math.floor(number / cities.length) * MINUTE
      return forecastOf(cities[number % cities.length]!, window, number / 7)
    })
    // So that there is an answer of before, ready to be sent.
    for (const { city } of values) {
      const path = `/weather/cities/${city}`
      const { etag } = await get(agent, url + path)
      etags.set(path, (etags.get(path) ?? new Set()).add(etag))
    }
    await write(values)
    for (const _ of values) {
      const { value } = await forecasts.next()
      const shown = value as Forecast
      await check(`/weather/cities/${shown.city}`, shown, body => body.latest!)
      await check(`/weather/cities/${shown.city}/heat-index`, shown, body => body.values![0]!)
    }
  }
  stream.destroy()
  agent.destroy()
  return { writes, reads, stale }
}

interface Body {
  latest?: Forecast
  values?: Forecast[]
}

async function get(agent: Agent, url: string): Promise<{ etag: string; body: Body }> {
  const [response] = (await once(request(url, { agent }).end(), 'response')) as [IncomingMessage]
  response.setEncoding('utf8')
  let text = ''
  for await (const piece of response) text += piece
  return { etag: String(response.headers.etag), body: JSON.parse(text) }
}

/** The data of the events, `begin` first. */
async function* eventsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  let left = ''
  for await (const piece of stream) {
    const parts = (left + piece.toString()).split('\n\n')
    left = parts.pop()!
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1]
      if (data !== undefined) yield JSON.parse(data)
    }
  }
}
