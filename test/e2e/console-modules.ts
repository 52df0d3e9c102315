/** The modules of the console, without a browser. */
import { join } from 'node:path'

export const CONSOLE = join(import.meta.dirname, '../../console')

/** A module of the page: JavaScript with types of its own, which console/tsconfig.json checks. */
export async function load<T>(name: string): Promise<T> {
  return (await import(join(CONSOLE, name))) as T
}

/**
 * What `make` returns where there is as much of a document as it takes to make elements, which are `Recorded`.
 */
export function onPage<T>(make: () => T): T {
  Object.assign(globalThis, { document: { createElement: (tag: string) => new Recorded(tag) }, Node: Recorded })
  try {
    return make()
  } finally {
    for (const name of ['document', 'Node']) Reflect.deleteProperty(globalThis, name)
  }
}

/** Takes what a page is made of: elements, and texts as they are. */
export class Recorded {
  readonly attributes: Record<string, string> = {}
  readonly #tag: string
  readonly #children: (string | Recorded)[] = []

  constructor(tag: string) {
    this.#tag = tag
  }

  setAttribute(name: string, value: string): void {
    this.attributes[name] = value
  }

  append(child: string | Recorded): void {
    this.#children.push(child)
  }

  tree(): unknown[] {
    return [this.#tag, ...this.#children.map(child => (child instanceof Recorded ? child.tree() : child))]
  }
}
