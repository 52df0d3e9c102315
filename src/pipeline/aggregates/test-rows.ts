/** For the tests of aggregates: rows of real tables with their columns, and records with contexts. */
import { t } from '../../schema/field-types.ts'
import { text } from '../../schema/primitives.ts'
import { keyOf, TestTable, tableOf } from '../../state/test-tables.ts'
import type { AggregateContext, AggregateSpec } from './aggregate.ts'
import { type CompiledAggregates, compileAggregates } from './compile-aggregates.ts'

export interface Reading {
  time: number
  n: number | null
  name: string
}

export class AggregateRows<V> {
  readonly compiled: CompiledAggregates<V>
  readonly #rows: TestTable
  readonly #items: TestTable

  constructor(spec: AggregateSpec<V>) {
    this.compiled = compileAggregates(spec)
    this.#rows = new TestTable(tableOf(this.compiled.fields))
    this.#items = new TestTable(tableOf({ ...this.compiled.items, time: t.long }))
  }

  row(key: string): object {
    return locate(this.#rows, key)
  }

  item(id: number): object {
    return locate(this.#items, `${id}`)
  }

  result(key = 'a'): Record<string, unknown> {
    return this.compiled.result(this.row(key))
  }

  add(values: Iterable<V>, key = 'a', time = 0): void {
    for (const value of values) this.compiled.add(this.row(key), value, contextAt(time))
  }

  copyOf(key: string): object {
    return this.compiled.copyOf(this.row(key))
  }

  delete(key: string): void {
    ;(this.row(key) as { delete(): void }).delete()
  }

  savepoint(): void {
    for (const { table } of [this.#rows, this.#items]) table.savepoint()
  }

  rollback(): void {
    for (const { table } of [this.#rows, this.#items]) table.rollback()
  }

  /** Commits, and reads everything back from the changelogs. */
  restart(): void {
    for (const table of [this.#rows, this.#items]) {
      table.collect()
      table.commitAll()
      table.crash()
    }
  }
}

function locate({ table }: TestTable, key: string): object {
  const bytes = keyOf(text(), key)
  return table.locate(bytes, 0, bytes.length)
}

/** Of a record at `timestamp`; nothing else of it is known. */
export function contextAt(timestamp: number): AggregateContext {
  return {
    key: '',
    timestamp,
    now: timestamp,
    watermark: timestamp,
    topic: 'readings',
    partition: 0,
    offset: 0,
    headers: () => [],
    send: () => undefined,
  }
}
