/** The wire format of schema registries: a zero byte, the schema's id in 4 bytes big-endian, then the value. */
import { AldebaranError, messageOf } from '../errors.ts'
import { type AvroSchema, resolve } from './avro.ts'
import type { Decode, DecodeOptions } from './avro-decoder.ts'
import type { ByteWriter } from './byte-writer.ts'
import { badSchema, undecodable } from './failures.ts'

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

export interface RegistryOptions extends DecodeOptions {
  /** The id under which the registry knows this schema: it is written before every value. */
  id: number
  /**
   * The definition the registry has for another id, or undefined when it has none. It is asked once an id, while a record is
   * decoded, so it answers from memory: fetch the versions of the subject before.
   */
  lookup(id: number): string | undefined
}

/**
 * The schema with the registry's envelope. Values written under older (or newer) ids are read by schema resolution.
 * Bytes with an id that `lookup` does not know, or whose schema cannot be read as this one, throw VALUE_UNDECODABLE.
 *
 * @throws SCHEMA_INVALID for an id outside 0 to 2^31 − 1.
 */
export function avroRegistry<T>(schema: AvroSchema<T>, options: RegistryOptions): AvroSchema<T> {
  const { id, lookup } = options
  if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw badSchema('id', `must be from 0 to 2147483647, not ${id}`)
  const decoders = new Map<number, Decode<T>>([[id, schema.decode]])

  const decoderFor = (writerId: number): Decode<T> => {
    const unreadable = (reason: string, cause?: unknown) => undecodable(`schema ${writerId} ${reason}`, 1, '', cause)
    let definition: string | undefined
    try {
      definition = lookup(writerId)
    } catch (error) {
      throw unreadable(`could not be looked up: ${messageOf(error)}`, error)
    }
    if (definition === undefined) throw unreadable('is not known to the registry')
    try {
      const { decode } = resolve(definition, schema, options)
      decoders.set(writerId, decode)
      return decode
    } catch (error) {
      throw unreadable(`cannot be read as schema ${id}: ${messageOf(error)}`, error)
    }
  }

  return {
    format: 'avro',
    definition: schema.definition,
    root: schema.root,
    encode(value, out) {
      const before = out.position
      registryEnvelope.write(id, out)
      try {
        schema.encode(value, out)
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
