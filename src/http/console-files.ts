/** The files of the browser console, as they lie in the folder `console` of the package. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  webmanifest: 'application/manifest+json',
  woff2: 'font/woff2',
}

/** No slash and no leading dot: nothing outside the folder can be named. */
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*\.([a-z0-9]+)$/

export interface ConsoleFile {
  bytes: Buffer
  type: string
  etag: string
}

export class ConsoleFiles {
  readonly #folder: string
  readonly #read = new Map<string, { changed: number; file: ConsoleFile }>()

  constructor(folder: string = consoleFolder()) {
    this.#folder = folder
  }

  /** Null: there is no such file. A file that was changed is read again. */
  async get(name: string): Promise<ConsoleFile | null> {
    const type = TYPES[NAME.exec(name)?.[1] ?? '']
    if (type === undefined) return null
    const path = join(this.#folder, name)
    try {
      const { mtimeMs: changed } = await stat(path)
      const known = this.#read.get(name)
      if (known?.changed === changed) return known.file
      const bytes = await readFile(path)
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
      const file = { bytes, type, etag }
      this.#read.set(name, { changed, file })
      return file
    } catch {
      return null
    }
  }
}

/** Beside `src` in a checkout, beside or in `dist` in the package. */
function consoleFolder(): string {
  const places = ['../../console/', '../../../console/'].map(place => fileURLToPath(new URL(place, import.meta.url)))
  return places.find(place => existsSync(join(place, 'index.html'))) ?? places[0]!
}
