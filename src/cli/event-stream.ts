/** One server-sent event, as the WHATWG HTML standard defines them. */
export interface ServerEvent {
  id: string
  event: string
  data: string
}

/** Reads events from the bytes of a response. Comments are skipped; an event that was not finished is dropped. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  let id = ''
  let event = 'message'
  let data: string[] = []
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true })
    // A carriage return at the end may be half of a line end.
    const held = rest.endsWith('\r') ? '\r' : ''
    const lines = (held === '' ? rest : rest.slice(0, -1)).split(/\r\n|\r|\n/)
    rest = lines.pop()! + held
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { id, event, data: data.join('\n') }
        event = 'message'
        data = []
        continue
      }
      const colon = line.indexOf(':')
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'data') data.push(value)
      else if (field === 'event') event = value
      else if (field === 'id') id = value
    }
  }
}
