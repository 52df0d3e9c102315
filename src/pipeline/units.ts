import { AldebaranError } from '../errors.ts'

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** '5s', '1.5h' or a number of ms, as ms. Throws OPTION_INVALID naming `option`. */
export function parseDuration(text: string | number, option: string): number {
  return parse(text, option, DURATION_MS, "a duration such as '250ms', '5s', '1.5h', '7d' or a number of ms")
}

/** '64MB', '1GiB' or a number of bytes, as bytes. Throws OPTION_INVALID naming `option`. */
export function parseSize(text: string | number, option: string): number {
  return Math.round(parse(text, option, SIZE_BYTES, "a size such as '64MB', '1GiB' or a number of bytes"))
}

function parse(text: string | number, option: string, units: Readonly<Record<string, number>>, wanted: string): number {
  const match = typeof text === 'number' ? null : /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(text)
  const unit = match?.[2] === '' ? 1 : units[match?.[2] ?? '']
  const value = typeof text === 'number' ? text : Number(match?.[1]) * (unit ?? Number.NaN)
  if (!Number.isFinite(value) || value < 0 || value > Number.MAX_SAFE_INTEGER) {
    throw new AldebaranError('OPTION_INVALID', `${option}: '${text}' is not ${wanted}`, { option })
  }
  return value
}
