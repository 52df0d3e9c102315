import { AldebaranError } from '../../errors.ts'
import type { AvroType } from '../../schema/avro-type.ts'

/**
 * How a subject is called, as in Confluent's clients: `topic` is TopicNameStrategy (`orders-value`), `record`
 * RecordNameStrategy (`shop.Order`), `topic-record` TopicRecordNameStrategy (`orders-shop.Order`); or by a name.
 */
export type SubjectNames = 'topic' | 'record' | 'topic-record' | { readonly name: string }

/** @throws AldebaranError OPTION_INVALID when the schema has no name to be called after */
export function subjectOf(names: SubjectNames, topic: string, part: 'key' | 'value', type: AvroType): string {
  if (typeof names === 'object') return names.name
  if (names === 'topic') return `${topic}-${part}`
  if (!('name' in type)) {
    throw new AldebaranError('OPTION_INVALID', `subject: a schema of type ${type.kind} has no name`, { topic })
  }
  return names === 'record' ? type.name : `${topic}-${type.name}`
}
