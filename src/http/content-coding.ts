/** Which coding of a body a client wants, by its Accept-Encoding (RFC 9110, 12.5.3), and bodies in that coding. */
import { promisify } from 'node:util'
import { brotliCompress, gzip, constants as zlib } from 'node:zlib'

export type Coding = 'identity' | 'gzip' | 'br'

const compressBrotli = promisify(brotliCompress)
const compressGzip = promisify(gzip)

/** Of brotli, 0 to 11: better than gzip, and about as quick. */
const BROTLI_QUALITY = 4
/** Clients send a few different texts; more than these are read each time. */
const MOST_KNOWN = 256

export class Codings {
  readonly #known = new Map<string, Coding>()

  of(accepted: string | undefined): Coding {
    if (accepted === undefined) return 'identity'
    let coding = this.#known.get(accepted)
    if (coding === undefined) {
      coding = codingFor(accepted)
      if (this.#known.size < MOST_KNOWN) this.#known.set(accepted, coding)
    }
    return coding
  }
}

/** `br` rather than `gzip` where both are taken equally. */
export function codingFor(accepted: string): Coding {
  const weights = new Map<string, number>()
  for (const part of accepted.split(',')) {
    const [name = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase())
    const weight = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
    weights.set(name, weight === undefined ? 1 : Number(weight) || 0)
  }
  const weightOf = (name: string) => weights.get(name) ?? weights.get('*') ?? 0
  const br = weightOf('br')
  const gzipped = weightOf('gzip')
  if (br === 0 && gzipped === 0) return 'identity'
  return br >= gzipped ? 'br' : 'gzip'
}

export async function encode(body: Buffer, coding: Exclude<Coding, 'identity'>): Promise<Buffer> {
  if (coding === 'gzip') return await compressGzip(body)
  const params = { [zlib.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [zlib.BROTLI_PARAM_SIZE_HINT]: body.length }
  return await compressBrotli(body, { params })
}
