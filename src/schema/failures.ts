import { AldebaranError } from '../errors.ts'

/** Levels that values of recursive Avro types may nest, in both directions. */
export const MAX_DEPTH = 64
/** Items that take no bytes (null, empty records) in one value: they cost memory that no length limit sees. */
export const MAX_EMPTY_ITEMS = 1_000_000

/** `position` is counted from the first byte of the value; `path` names the field when it is known. */
export function undecodable(reason: string, position: number, path = '', cause?: unknown): AldebaranError {
  const where = path === '' ? `at byte ${position}` : `at byte ${position}, in ${path}`
  return new AldebaranError('VALUE_UNDECODABLE', `${reason} (${where})`, { position, path }, cause)
}

export function invalid(path: string, reason: string, cause?: unknown): AldebaranError {
  return new AldebaranError('VALUE_INVALID', path === '' ? `the value ${reason}` : `${path} ${reason}`, { path }, cause)
}

export function badSchema(path: string, reason: string, cause?: unknown): AldebaranError {
  return new AldebaranError(
    'SCHEMA_INVALID',
    path === '' ? `the schema ${reason}` : `${path} ${reason}`,
    { path },
    cause,
  )
}

/** `items`, `items[3]`, `items[3].price`, `tags["two words"]` */
export function pathTo(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`
  if (!/^[A-Za-z_$][\w$]*$/.test(step)) return `${path}[${JSON.stringify(step)}]`
  return path === '' ? step : `${path}.${step}`
}

/** What a value is, for messages: short, never the whole of a large value. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Uint8Array) return 'bytes'
  if (typeof value === 'string') return value.length > 40 ? `"${value.slice(0, 40)}…"` : JSON.stringify(value)
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  return typeof value === 'bigint' ? `${value}n` : String(value)
}

/** ` (did you mean "price"?)` when a known name is near, else nothing. */
export function suggestion(name: string, known: readonly string[]): string {
  let best = ''
  let least = Math.min(3, Math.floor(name.length / 2) + 1)
  for (const candidate of known) {
    const distance =
      candidate.toLowerCase() === name.toLowerCase() ? 0 : editDistance(name.slice(0, 64), candidate.slice(0, 64))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best === '' ? '' : ` (did you mean "${best}"?)`
}

function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const swap = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
