import { InvalidArgumentError, Option } from 'commander'

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It is not a whole number from 1.')
  }
  return value
}

/** From 0 to 1. */
export function share(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('It is not from 0 to 1.')
  return value
}

/** ms since 1970, of that number or of a time as ISO 8601 writes it; null: it is neither. */
export function msOf(text: string): number | null {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isSafeInteger(ms) ? ms : null
}

/** ms since 1970. */
export function time(text: string): number {
  const ms = msOf(text)
  if (ms === null) throw new InvalidArgumentError('It is not a time such as 2026-03-01T09:30:00Z.')
  return ms
}

/** A port, or 0: any free one. */
export function port(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError('It is not a port, 0 to 65535.')
  }
  return value
}

export function durability(): Option {
  const option = new Option('--durability <kind>', 'what a commit survives: power loss, or only the end of the process')
  return option.choices(['disk', 'process'])
}
