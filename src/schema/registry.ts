/** The wire format of schema registries: a zero byte, the schema's id in 4 bytes big-endian, then the value. */
import { AldebaranError, messageOf } from '../errors.ts'
import { type AvroSchema, resolve } from './avro.ts'
import type { Decode, DecodeOptions } from './avro-decoder.ts'
import type { ByteWriter } from './byte-writer.ts'
import { badSchema, undecodable } from './failures.ts'
import type { AvroDefinition } from './field-types.ts'

const ENVELOPE_BYTES = 5
const MAX_ID = 2 ** 31 - 1

export const registryEnvelope = {
  /** The value begins this many bytes after the envelope. */
  bytes: ENVELOPE_BYTES,

  /** The schema id of `bytes[start, end)`; the value begins at `start + 5`. Throws VALUE_UNDECODABLE. */
  read(bytes: Buffer, start: number, end: number): number {
    if (end - start < ENVELOPE_BYTES) throw undecodable('the bytes end before the schema id is complete', end - start)
    if (bytes[start] !== 0) {
      throw undecodable(`the first byte is ${bytes[start]}, not the 0 of the schema registry's format`, 0)
    }
    return bytes.readInt32BE(start + 1)
  },

  write(id: number, out: ByteWriter): void {
    out.ensure(ENVELOPE_BYTES)
    const at = out.position
    out.bytes[at] = 0
    out.bytes.writeInt32BE(id, at + 1)
    out.position = at + ENVELOPE_BYTES
  },
}

/** What values are written with. */
export interface RegistryWriter<T> {
  /** The id under which the registry knows the schema: it is written before every value. */
  readonly id: number
  readonly encode: AvroSchema<T>['encode']
}

export interface RegistryOptions<T = unknown> extends DecodeOptions {
  /**
   * The id under which the registry knows this schema; or a function that says what to write with, asked for each value.
   * It may throw an error whose fate is `retry` when that is not known yet.
   */
  id: number | (() => RegistryWriter<T>)
  /**
   * The definition the registry has for another id, or undefined when it has none. It is asked while a record is decoded, and
   * no more once it answered with a definition; so it answers from memory. An error whose fate is `retry` says that
   * it is not known yet: the record is at no fault, and may be decoded later.
   */
  lookup(id: number): string | AvroDefinition | undefined
}

/**
 * The schema with the registry's envelope. Values written under older (or newer) ids are read by schema resolution.
 * Bytes with an id that `lookup` does not know, or whose schema cannot be read as this one, throw VALUE_UNDECODABLE.
 *
 * @throws SCHEMA_INVALID for an id outside 0 to 2^31 − 1.
 */
export function avroRegistry<T>(schema: AvroSchema<T>, options: RegistryOptions<T>): AvroSchema<T> {
  const { id, lookup } = options
  const decoders = new Map<number, Decode<T>>()
  /** Of ids whose schema cannot be read as this one: finding that out takes longer than decoding a value. */
  const refusals = new Map<number, AldebaranError>()
  let writer: () => RegistryWriter<T>
  if (typeof id === 'function') writer = id
  else {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw badSchema('id', `must be from 0 to 2147483647, not ${id}`)
    const known: RegistryWriter<T> = { id, encode: schema.encode }
    writer = () => known
    decoders.set(id, schema.decode)
  }

  const decoderFor = (writerId: number): Decode<T> => {
    const unreadable = (reason: string, cause?: unknown) => undecodable(`schema ${writerId} ${reason}`, 1, '', cause)
    const refusal = refusals.get(writerId)
    if (refusal !== undefined) throw refusal
    let definition: string | AvroDefinition | undefined
    try {
      definition = lookup(writerId)
    } catch (error) {
      if (error instanceof AldebaranError && error.fate === 'retry') throw error
      throw unreadable(`could not be looked up: ${messageOf(error)}`, error)
    }
    if (definition === undefined) throw unreadable('is not known to the registry')
    try {
      const { decode } = resolve(definition, schema, options)
      decoders.set(writerId, decode)
      return decode
    } catch (error) {
      const reader = typeof id === 'number' ? `schema ${id}` : 'this schema'
      const refusal = unreadable(`cannot be read as ${reader}: ${messageOf(error)}`, error)
      refusals.set(writerId, refusal)
      throw refusal
    }
  }

  return {
    format: 'avro',
    definition: schema.definition,
    root: schema.root,
    encode(value, out) {
      const { id: writerId, encode } = writer()
      const before = out.position
      registryEnvelope.write(writerId, out)
      try {
        encode(value, out)
      } catch (error) {
        out.position = before
        throw error
      }
    },
    decode(bytes, start, end) {
      const writerId = registryEnvelope.read(bytes, start, end)
      const decode = decoders.get(writerId) ?? decoderFor(writerId)
      try {
        return decode(bytes, start + ENVELOPE_BYTES, end)
      } catch (error) {
        throw shifted(error)
      }
    },
    toJson: schema.toJson,
    fromJson: schema.fromJson,
  }
}

/** The same error with its position counted from the envelope. */
function shifted(error: unknown): unknown {
  if (!(error instanceof AldebaranError) || typeof error.details.position !== 'number') return error
  const details = { ...error.details, position: error.details.position + ENVELOPE_BYTES }
  return new AldebaranError(error.code, `${error.message}, counted after the schema id`, details, error)
}
