// @ts-check
// Finds what a TypeScript file imports, without a parser: the text is walked once to tell code from comments,
// strings, templates and regular expressions; the forms of import are then looked for in the code alone.

/**
 * @typedef {'static' | 'type' | 'dynamic' | 'url'} ImportKind
 *   static: import or export … from; type: the same, types only; dynamic: import('…'); url: new URL('…', import.meta.url)
 * @typedef {{ specifier: string, kind: ImportKind, line: number }} Import
 */

// In the masked text every string literal is a quote, its number and a quote: "12".
const FORMS = [
  /(?<![.\w$])(?<keyword>import|export)(?<type>\s+type(?![\w$])(?!\s*(?:,|from\s*")))?(?<clause>(?:(?!\b(?:im|ex)port\b)[\s\w$,{}*])*?)\bfrom\s*"(?<id>\d+)"/g,
  /(?<![.\w$])(?<keyword>import)\s*"(?<id>\d+)"/g,
  /(?<![.\w$])(?<keyword>import)\s*\(\s*"(?<id>\d+)"/g,
  /\bnew\s+(?<keyword>URL)\s*\(\s*"(?<id>\d+)"\s*,\s*import\.meta\.url\b/g,
]

/** After one of these a slash begins a regular expression; after any other word, a number or a closing bracket it divides. */
const BEFORE_REGEX =
  /(?:^|[({[=,;:!&|?+\-*%~^<>])$|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/

/**
 * @param {string} text of a TypeScript or JavaScript module
 * @returns {Import[]} in the order of the text
 */
export function importsOf(text) {
  const { code, strings } = mask(text)
  /** @type {(Import & { index: number })[]} */
  const found = []
  for (const form of FORMS) {
    for (const match of code.matchAll(form)) {
      const { keyword, type, clause = '', id } = match.groups ?? {}
      const dynamic = match[0].includes('(')
      const kind = keyword === 'URL' ? 'url' : dynamic ? 'dynamic' : type || onlyTypes(clause) ? 'type' : 'static'
      const line = code.slice(0, match.index).split('\n').length
      found.push({ specifier: strings[Number(id)] ?? '', kind, line, index: match.index })
    }
  }
  return found.sort((a, b) => a.index - b.index).map(({ specifier, kind, line }) => ({ specifier, kind, line }))
}

/**
 * Whether every name in braces is a type: import { type A, type B } from …. (It is kept as an import for its effects
 * by `verbatimModuleSyntax`, yet no name is bound.)
 * @param {string} clause
 */
function onlyTypes(clause) {
  const names = /^\s*\{(?<names>[^}]*)\}\s*$/.exec(clause)?.groups?.names
  if (names === undefined) return false
  const parts = names.split(',').map(part => part.trim())
  return parts.some(part => part) && parts.every(part => part === '' || /^type\s+(?!as\b)/.test(part))
}

/**
 * Blanks comments, templates and regular expressions, and numbers the strings. Line breaks stay where they are.
 * @param {string} text
 * @returns {{ code: string, strings: string[] }}
 */
function mask(text) {
  /** @type {string[]} */
  const strings = []
  /** Depth of braces at which a template goes on. @type {number[]} */
  const templates = []
  let code = ''
  let depth = 0
  let at = 0
  const blankTo = (/** @type {number} */ end) => {
    code += text.slice(at, end).replace(/[^\n]/g, ' ')
    at = end
  }
  while (at < text.length) {
    const char = text[at]
    if (char === '/' && text[at + 1] === '/') blankTo(endOf(text, '\n', at))
    else if (char === '/' && text[at + 1] === '*') blankTo(endOf(text, '*/', at + 2) + 2)
    else if (char === '#' && text[at + 1] === '!' && at === 0) blankTo(endOf(text, '\n', at))
    else if (char === "'" || char === '"') {
      const end = endOfQuoted(text, char, at + 1)
      code += `"${strings.push(text.slice(at + 1, end)) - 1}"`
      at = end + 1
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop()
      const end = endOfTemplatePart(text, at + 1)
      const opens = text[end] === '$'
      if (opens) templates.push(depth)
      blankTo(end + (opens ? 2 : 1))
      // A template is a value: a slash after it divides.
      code += opens ? '(' : ')'
    } else if (char === '/' && BEFORE_REGEX.test(code.slice(-200).trimEnd())) {
      blankTo(endOfRegex(text, at + 1))
      code += ')'
    } else {
      if (char === '{') depth++
      else if (char === '}') depth--
      code += char
      at++
    }
  }
  return { code, strings }
}

/**
 * @param {string} text
 * @param {string} mark
 * @param {number} from
 */
function endOf(text, mark, from) {
  const index = text.indexOf(mark, from)
  return index < 0 ? text.length : index
}

/**
 * @param {string} text
 * @param {string} quote
 * @param {number} from
 */
function endOfQuoted(text, quote, from) {
  let at = from
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at
}

/**
 * @param {string} text
 * @param {number} from
 * @returns {number} of the closing backtick, or of the dollar that opens an expression
 */
function endOfTemplatePart(text, from) {
  let at = from
  while (at < text.length && text[at] !== '`' && !(text[at] === '$' && text[at + 1] === '{')) {
    at += text[at] === '\\' ? 2 : 1
  }
  return at
}

/**
 * @param {string} text
 * @param {number} from
 * @returns {number} after the closing slash
 */
function endOfRegex(text, from) {
  let inClass = false
  let at = from
  for (; at < text.length && text[at] !== '\n'; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '[') inClass = true
    else if (text[at] === ']') inClass = false
    else if (text[at] === '/' && !inClass) return at + 1
  }
  return at
}
