/**
 * `t`: the types of record fields and table rows, named as in Avro 1.12. A field type is its Avro definition with the
 * TypeScript type of its values beside it; everything that reads or writes values is compiled from the definition.
 */

/** An Avro schema as parsed JSON. */
export type AvroDefinition =
  | string
  | readonly AvroDefinition[]
  | { readonly type: AvroDefinition; readonly [attribute: string]: unknown }

declare const valueType: unique symbol

export interface FieldType<T> {
  readonly definition: AvroDefinition
  /** The value of the field where a record written without it is read; undefined: it has none. */
  readonly default?: T
  readonly [valueType]?: T
}

export type TypeOf<F> = F extends FieldType<infer T> ? T : never

export type Fields = Readonly<Record<string, FieldType<unknown>>>

/** The object a set of fields describes. */
export type ObjectOf<F extends Fields> = { -readonly [Name in keyof F]: TypeOf<F[Name]> }

function primitive<T>(definition: AvroDefinition): FieldType<T> {
  return { definition }
}

function logical<T>(type: string, logicalType: string): FieldType<T> {
  return { definition: { type, logicalType } }
}

let anonymous = 0

export const t = {
  boolean: primitive<boolean>('boolean'),
  /** 32-bit signed. */
  int: primitive<number>('int'),
  /** 64-bit signed, as a number: a value outside ±(2^53 − 1) is an error, never rounded. Beyond that: `bigint`. */
  long: primitive<number>('long'),
  /** 64-bit signed, all of it. */
  bigint: { definition: { type: 'long', aldebaran: 'bigint' } } as FieldType<bigint>,
  float: primitive<number>('float'),
  double: primitive<number>('double'),
  /** UTF-8. */
  string: primitive<string>('string'),
  bytes: primitive<Uint8Array>('bytes'),
  /** Milliseconds since 1970, UTC. */
  timestampMillis: logical<number>('long', 'timestamp-millis'),
  /** Microseconds since 1970, UTC. */
  timestampMicros: logical<number>('long', 'timestamp-micros'),
  /** A UUID as text, in the usual hexadecimal form. */
  uuid: logical<string>('string', 'uuid'),

  enum<const S extends string>(symbols: readonly S[], name = `Enum${++anonymous}`): FieldType<S> {
    return { definition: { type: 'enum', name, symbols } }
  },
  fixed(size: number, name = `Fixed${size}`): FieldType<Uint8Array> {
    return { definition: { type: 'fixed', name, size } }
  },
  array<T>(items: FieldType<T>): FieldType<T[]> {
    return { definition: { type: 'array', items: items.definition } }
  },
  map<T>(values: FieldType<T>): FieldType<Record<string, T>> {
    return { definition: { type: 'map', values: values.definition } }
  },
  record<F extends Fields>(name: string, fields: F): FieldType<ObjectOf<F>> {
    return { definition: recordDefinition(name, fields) }
  },
  /** Null or a value; null where it is missing. */
  optional<T>(type: FieldType<T>): FieldType<T | null> {
    return { definition: ['null', type.definition], default: null }
  },
  /** The same type with a value for records written without the field. */
  withDefault<T>(type: FieldType<T>, value: T): FieldType<T> {
    return { definition: type.definition, default: value }
  },
}

export function recordDefinition(name: string, fields: Fields): AvroDefinition {
  return {
    type: 'record',
    name,
    fields: Object.entries(fields).map(([field, type]) =>
      type.default === undefined
        ? { name: field, type: type.definition }
        : { name: field, type: type.definition, default: type.default },
    ),
  }
}
