import type { ByteWriter } from './byte-writer.ts'

/**
 * How values of a topic, or keys, become bytes and back.
 *
 * 1. `decode` may return an object that is reused by the next `decode` of the same schema: it is valid until then.
 *    `toJson` gives a plain value that may be kept.
 * 2. Bytes that do not fit throw `AldebaranError('VALUE_UNDECODABLE')` with the byte position; nothing else is thrown.
 * 3. A value that does not fit throws `AldebaranError('VALUE_INVALID')` with the path of the field.
 * 4. `encode` followed by `decode` gives an equal value, and uses exactly the bytes it wrote.
 */
export interface Schema<T> {
  /** avro, json, text, bytes, int32, int64 … */
  readonly format: string
  /** The schema as text (Avro or JSON Schema), or null when the format says it all. Stored with the topic. */
  readonly definition: string | null
  encode(value: T, out: ByteWriter): void
  decode(bytes: Buffer, start: number, end: number): T
  /** A plain JSON-compatible copy, for HTTP, the CLI and the console. */
  toJson(value: T): unknown
  /** From parsed JSON (HTTP ingest, CLI): throws VALUE_INVALID with the path of the first field that does not fit. */
  fromJson(json: unknown): T
}

/** The value type of a schema. */
export type ValueOf<S> = S extends Schema<infer T> ? T : never
