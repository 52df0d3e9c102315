import { extname } from 'node:path'

/** A file of the package, by its path from the root: the checkout, or `dist`, where the folders lie alike. */
export function packageFile(path: string): URL {
  return new URL(path, new URL('../../', import.meta.url))
}

/** A module of the package, by its path from the root without extension: a source here, JavaScript once built. */
export function packageModule(path: string): URL {
  return packageFile(path + extname(import.meta.url))
}
