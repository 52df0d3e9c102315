/** One JSON token after white space: punctuation, text, or a literal. */
const TOKEN =
  /[\t\n\r ]*(?:(?<mark>[[\]{},:])|(?<text>"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[ !#-[\]-\uffff]*)*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y
const SPACE = /[\t\n\r ]*/y

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | 'more' | 'nothing'

/**
 * Where a text stops being JSON: the index of the first token that may not stand there, or the length when the text ends
 * too early. JSON.parse tells it only for some errors. Off the fast path: used for messages.
 */
export function syntaxErrorAt(text: string): number {
  const open: string[] = []
  let expected: Expected = 'value'
  let at = 0
  for (;;) {
    SPACE.lastIndex = at
    SPACE.test(text)
    const start = SPACE.lastIndex
    TOKEN.lastIndex = at
    const token = TOKEN.exec(text)
    if (token === null) return start
    const mark = token.groups?.mark
    const next: Expected | undefined =
      mark !== undefined
        ? afterMark(mark, expected, open)
        : afterScalar(token.groups?.text !== undefined, expected, open)
    if (next === undefined) return start
    expected = next
    at = TOKEN.lastIndex
  }
}

function afterMark(mark: string, expected: Expected, open: string[]): Expected | undefined {
  const isValue = expected === 'value' || expected === 'value or ]'
  const inside = open.at(-1)
  switch (mark) {
    case '{':
    case '[':
      if (!isValue) return undefined
      open.push(mark)
      return mark === '{' ? 'key or }' : 'value or ]'
    case '}':
      if (expected !== 'key or }' && !(expected === 'more' && inside === '{')) return undefined
      return afterClose(open)
    case ']':
      if (expected !== 'value or ]' && !(expected === 'more' && inside === '[')) return undefined
      return afterClose(open)
    case ':':
      return expected === ':' ? 'value' : undefined
    default:
      if (expected !== 'more') return undefined
      return inside === '{' ? 'key' : 'value'
  }
}

function afterClose(open: string[]): Expected {
  open.pop()
  return open.length === 0 ? 'nothing' : 'more'
}

function afterScalar(isText: boolean, expected: Expected, open: readonly string[]): Expected | undefined {
  if (expected === 'key' || expected === 'key or }') return isText ? ':' : undefined
  if (expected !== 'value' && expected !== 'value or ]') return undefined
  return open.length === 0 ? 'nothing' : 'more'
}
