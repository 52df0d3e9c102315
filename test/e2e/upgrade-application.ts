/** A pipeline in two versions, for tests of an upgrade: `?version=2` of this module knows the field that the first does not. */
import { application, avro, embedded, int64, pipeline, type Running, t, topic } from '../../src/index.ts'
import { start } from '../../src/runtime/start.ts'

export type Version = '1' | '2'

function build(version: Version) {
  const first = { id: t.long, amount: t.double }
  const fields = version === '1' ? first : { ...first, note: t.string }
  const payments = topic('payments', { key: int64(), value: avro('Payment', fields), partitions: 2 })
  const paying = pipeline('paying')
  const sums = paying.table('sums', { key: int64(), row: { amount: t.double, count: t.int } })
  paying.from(payments).into(sums, (payment, sum) => {
    sum.amount += payment.amount
    sum.count++
  })
  return { app: application('payer', { pipelines: [paying] }), payments }
}

const wanted = new URL(import.meta.url).searchParams.get('version') === '2' ? '2' : '1'
/** For the worker threads. */
export const { app } = build(wanted)

/** As a sender of version 2 writes it. */
export const newPayments = build('2').payments

export function startVersion(version: Version, folder: string): Promise<Running> {
  return start(build(version).app, {
    log: embedded(folder, { durability: 'process', maxSize: '64MB' }),
    workers: 2,
    entry: new URL(`./upgrade-application.ts?version=${version}`, import.meta.url),
  })
}
