/**
 * What messages are made of: each type writes and reads one kind of value, and a message is a struct of them. So a
 * message is declared once, and its TypeScript type follows.
 *
 * Every version used here is *flexible* (compact lengths, tagged fields behind each struct), but for a few old ones
 * that use the `old…` types and `plain`.
 */
import { malformed, type WireReader, type WireWriter } from './bytes.ts'

export interface WireType<V> {
  write(to: WireWriter, value: V): void
  read(from: WireReader): V
}

export type ValueOf<T> = T extends WireType<infer V> ? V : never

export const int8: WireType<number> = { write: (to, value) => to.int8(value), read: from => from.int8() }
export const int16: WireType<number> = { write: (to, value) => to.int16(value), read: from => from.int16() }
export const int32: WireType<number> = { write: (to, value) => to.int32(value), read: from => from.int32() }
export const int64: WireType<number> = { write: (to, value) => to.int64(value), read: from => from.int64() }

export const bool: WireType<boolean> = {
  write: (to, value) => to.int8(value ? 1 : 0),
  read: from => from.int8() !== 0,
}

/** 16 bytes, as 32 hexadecimal digits. */
export const uuid: WireType<string> = {
  write: (to, value) => to.raw(Buffer.from(value, 'hex')),
  read: from => from.raw(16).toString('hex'),
}
export const NO_UUID = '0'.repeat(32)

export const string: WireType<string> = {
  write(to, value) {
    const length = Buffer.byteLength(value)
    to.uvarint(length + 1)
    to.text(value, length)
  },
  read: from => from.text(from.uvarint() - 1),
}

export const nullableString: WireType<string | null> = {
  write(to, value) {
    if (value === null) to.uvarint(0)
    else string.write(to, value)
  },
  read(from) {
    const length = from.uvarint()
    return length === 0 ? null : from.text(length - 1)
  },
}

/** A view of the message while it is read: copy what is kept. Null is read as empty. */
export const bytes: WireType<Uint8Array> = {
  write(to, value) {
    to.uvarint(value.length + 1)
    to.raw(value)
  },
  read: from => from.raw(Math.max(0, from.uvarint() - 1)),
}

/** With 16-bit lengths, as in versions that are not flexible. */
export const oldString: WireType<string> = {
  write(to, value) {
    const length = Buffer.byteLength(value)
    to.int16(length)
    to.text(value, length)
  },
  read: from => from.text(from.int16()),
}

export function array<V>(of: WireType<V>): WireType<V[]> {
  return {
    write(to, values) {
      to.uvarint(values.length + 1)
      for (const value of values) of.write(to, value)
    },
    read: from => items(from, of, from.uvarint() - 1),
  }
}

export function nullableArray<V>(of: WireType<V>): WireType<V[] | null> {
  const some = array(of)
  return {
    write(to, values) {
      if (values === null) to.uvarint(0)
      else some.write(to, values)
    },
    read(from) {
      const length = from.uvarint()
      return length === 0 ? null : items(from, of, length - 1)
    },
  }
}

export function oldArray<V>(of: WireType<V>): WireType<V[]> {
  return {
    write(to, values) {
      to.int32(values.length)
      for (const value of values) of.write(to, value)
    },
    read: from => items(from, of, Math.max(0, from.int32())),
  }
}

function items<V>(from: WireReader, of: WireType<V>, count: number): V[] {
  if (count > from.end - from.at) throw malformed('an array is longer than the message')
  const values: V[] = []
  for (let i = 0; i < count; i++) values.push(of.read(from))
  return values
}

type Fields = Record<string, WireType<unknown>>
type StructOf<F extends Fields> = { [K in keyof F]: ValueOf<F[K]> }

/** Fields in their order, then tagged fields, which are skipped when read and never written. */
// biome-ignore lint/suspicious/noExplicitAny: a field may be of any type, and its type is inferred
export function struct<F extends Record<string, WireType<any>>>(fields: F): WireType<StructOf<F>> {
  const inner = plain(fields)
  return {
    write(to, value) {
      inner.write(to, value)
      to.uvarint(0)
    },
    read(from) {
      const value = inner.read(from)
      skipTags(from)
      return value
    },
  }
}

/** Fields without tagged fields, as in versions that are not flexible. */
// biome-ignore lint/suspicious/noExplicitAny: a field may be of any type, and its type is inferred
export function plain<F extends Record<string, WireType<any>>>(fields: F): WireType<StructOf<F>> {
  const entries = Object.entries(fields) as [keyof F, WireType<unknown>][]
  return {
    write(to, value) {
      for (const [name, type] of entries) type.write(to, value[name])
    },
    read(from) {
      const value = {} as StructOf<F>
      for (const [name, type] of entries) value[name] = type.read(from) as StructOf<F>[typeof name]
      return value
    },
  }
}

/** A struct that may be missing: a byte says whether it is there. */
export function nullable<V>(of: WireType<V>): WireType<V | null> {
  return {
    write(to, value) {
      to.int8(value === null ? -1 : 1)
      if (value !== null) of.write(to, value)
    },
    read: from => (from.int8() < 0 ? null : of.read(from)),
  }
}

export function skipTags(from: WireReader): void {
  for (let left = from.uvarint(); left > 0; left--) {
    from.uvarint()
    from.raw(from.uvarint())
  }
}

/** A kind of request at one version: how it is written, and how its answer is read. */
export interface Api<Q, S> {
  readonly name: string
  readonly key: number
  readonly version: number
  readonly flexible: boolean
  readonly request: WireType<Q>
  readonly response: WireType<S>
}

export function api<Q, S>(
  name: string,
  key: number,
  version: number,
  request: WireType<Q>,
  response: WireType<S>,
  flexible = true,
): Api<Q, S> {
  return { name, key, version, flexible, request, response }
}

/** The same messages at another version that has the same fields. */
export function atVersion<Q, S>(of: Api<Q, S>, version: number): Api<Q, S> {
  return { ...of, version }
}
