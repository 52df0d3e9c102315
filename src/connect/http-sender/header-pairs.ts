/** Headers of a request: each name followed by its value. */
const TOKEN = /^[!#$%&'*+.^`|~\w-]{1,200}$/
/** Tabs, visible ASCII, and the upper half of Latin-1: no line break, no NUL, nothing that has to be encoded. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const LONGEST_VALUE = 8192
/** They belong to the connection, and to who keeps it. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What is wrong with them; null: nothing. It never tells a value: that may be a credential. */
export function headerProblem(headers: readonly string[]): string | null {
  const { length } = headers
  if (length % 2 !== 0) return 'the last header has no value'
  for (let n = 0; n < length; n += 2) {
    const name = headers[n]!
    const value = headers[n + 1]!
    if (!TOKEN.test(name)) return `'${printable(name)}' is not the name of a header`
    if (RESERVED.has(name) || RESERVED.has(name.toLowerCase())) return `${name} is set by the connection alone`
    if (value.length > LONGEST_VALUE) return `the value of ${name} has more than ${LONGEST_VALUE} characters`
    if (!VALUE.test(value)) return `the value of ${name} has a character that a header may not have`
  }
  return null
}

function printable(text: string): string {
  return text.slice(0, 50).replaceAll(/[^\x20-\x7e]/g, '?')
}
