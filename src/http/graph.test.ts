import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttemptRecord, DeliveryNotice } from '../delivery/contract.ts'
import { delivery } from '../delivery/delivery.ts'
import { pipeline } from '../pipeline/pipeline.ts'
import { type Topic, topic } from '../pipeline/topic.ts'
import { application } from '../runtime/application.ts'
import { t } from '../schema/field-types.ts'
import { json } from '../schema/json.ts'
import { text } from '../schema/primitives.ts'
import { drawApplication } from './graph.ts'

const key = text()
const value = json<{ n: number }>()

function draw(): string[] {
  const [input, output, sent, other] = ['in', 'out', 'sent', 'other'].map(name => topic(name, { key, value }))
  const one = pipeline('one', { sends: [sent!] })
  const table = one.table('counts', { key, row: { n: t.int }, timers: { close: 'processing' } })
  const { small, large } = one
    .from(input!)
    .filter(() => true)
    .branch({ small: ({ n }) => n < 10, large: () => true })
  small!.merge(large!).into(table, (_, row) => row.n)
  large!.keyBy('again', ({ n }) => String(n), { key, value }).each(() => {})
  table.on('close', () => ({ n: 1 })).to(output!)
  const { nodes, edges } = drawApplication(application('app', { pipelines: [one], topics: [other!] }))
  const labels = new Map(nodes.map(node => [node.id, `${node.kind} ${node.label}`]))
  assert.equal(labels.size, nodes.length)
  assert.ok([...labels.values()].includes('topic other'))
  return edges.map(edge => `${labels.get(edge.from)} -${edge.kind}-> ${labels.get(edge.to)}`).sort()
}

test('every way of a pipeline is drawn once', () => {
  assert.deepEqual(draw(), [
    'operator branch -records-> operator into counts',
    'operator branch -records-> operator keyBy again',
    'operator each -records-> topic sent',
    'operator filter -records-> operator branch',
    'operator into counts -records-> topic sent',
    'operator into counts -state-> table counts',
    'operator keyBy again -records-> topic app.one.again.repartition',
    'operator timer close -records-> topic out',
    'table counts -timer-> operator timer close',
    'topic app.one.again.repartition -records-> operator each',
    'topic in -records-> operator filter',
  ])
})

test('joins are drawn with their tables, and every way into them', () => {
  const [left, right, output] = ['left', 'right', 'out'].map(name => topic(name, { key, value, partitions: 1 }))
  const p = pipeline('p')
  const stream = p.from(left!)
  stream.join(p.tableOf(right!), l => l).to(output!)
  stream.join(p.from(right!), 'pairs', { within: 1, left: value, right: value }, l => l).to(output!)
  const { nodes, edges } = drawApplication(application('app', { pipelines: [p] }))
  const labels = new Map(nodes.map(node => [node.id, `${node.kind} ${node.label}`]))
  assert.deepEqual(edges.map(edge => `${labels.get(edge.from)} -${edge.kind}-> ${labels.get(edge.to)}`).sort(), [
    'operator join -records-> topic out',
    'operator join -state-> table right',
    'operator join pairs -records-> topic out',
    'operator join pairs -state-> table pairs',
    'operator join pairs -state-> table pairs-keys',
    'operator toTable right -state-> table right',
    'topic left -records-> operator join',
    'topic left -records-> operator join pairs',
    'topic right -records-> operator join pairs',
    'topic right -records-> operator toTable right',
  ])
})

test('a delivery is drawn with what it reads and tells, and without what it keeps for itself', () => {
  const [from, known, attempts, notices] = (['orders', 'addresses', 'attempts', 'notices'] as const).map(name =>
    topic(name, { key: text(), value: json() }),
  )
  const settings = { from: from!, reads: [known!], send: () => {} }
  const told = { attempts: attempts as Topic<string, AttemptRecord>, notices: notices as Topic<string, DeliveryNotice> }
  const app = application('shop', { deliveries: [delivery('calls', { ...settings, ...told, deduplicate: '1d' })] })
  const { nodes, edges } = drawApplication(app)
  assert.deepEqual(nodes.map(node => node.id).sort(), [
    'operator:calls/0',
    'topic:addresses',
    'topic:attempts',
    'topic:notices',
    'topic:orders',
  ])
  assert.deepEqual(
    edges.map(({ from, to }) => `${from} ${to}`),
    [
      'topic:orders operator:calls/0',
      'topic:addresses operator:calls/0',
      'operator:calls/0 topic:attempts',
      'operator:calls/0 topic:notices',
    ],
  )
})
