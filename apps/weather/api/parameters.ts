import { AldebaranError } from 'aldebaran'
import type { CityDirectory } from '../cities.ts'

export const country = {
  type: 'string',
  pattern: '^[A-Za-z]{2}$',
  description: 'ISO 3166, two letters.',
} as const

export function limitOf(most: number, usual: number): object {
  return { type: 'integer', minimum: 1, maximum: most, default: usual }
}

/** With a time zone: a time without one means another moment on each machine. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * ms since 1970; undefined: it was not given.
 * @throws AldebaranError OPTION_INVALID
 */
export function time(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const text = String(value)
  const ms = /^-?\d{1,15}$/.test(text) ? Number(text) : ISO_TIME.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new AldebaranError(
    'OPTION_INVALID',
    `${name}: '${text}' is not a time, like 1719834960000 or 2024-07-01T12:00:00Z`,
    { option: name },
  )
}

/** @throws AldebaranError NOT_FOUND */
export function requireCity(directory: CityDirectory, id: string): number {
  const number = directory.numberOf(id)
  if (number === undefined) throw new AldebaranError('NOT_FOUND', `there is no city ${id}`, { city: id })
  return number
}
