import assert from 'node:assert/strict'
import { afterEach, it } from 'node:test'
import type { RowCopy } from '../../state/contract.ts'
import type { TableQuery } from '../queries.ts'
import { answerRows, askRows } from './table-questions.ts'
import { startMesh, type TestMesh } from './test/test-mesh.ts'

const started: TestMesh[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ mesh }) => mesh.close()))
})

const ROWS: RowCopy[] = [
  {
    key: { id: 2n ** 63n - 1n, bytes: new Uint8Array([0, 255]) },
    fields: { big: -1n, none: null, bytes: new Uint8Array(0), text: 'ä\0', nothing: Number.NaN, small: -0, list: [1n] },
    timers: { close: 1_700_000_000_000 },
  },
]

/** Two nodes, the second of which answers; and the questions that it got. */
async function pair(rows: RowCopy[] | undefined): Promise<{ asker: TestMesh; asked: TableQuery[] }> {
  const asked: TableQuery[] = []
  const asker = await startMesh('asker')
  const owner = await startMesh('owner', {
    answer: async question => {
      const answer = answerRows(question, async query => {
        asked.push(query)
        return rows
      })
      return answer === null ? 'no rows' : await answer
    },
  })
  started.push(asker, owner)
  asker.mesh.setPeers([owner.endpoint])
  await asker.heard.until('alive owner')
  return { asker, asked }
}

const GET: TableQuery = { kind: 'get', pipeline: 'p', table: 't', partition: 3, key: new Uint8Array([1, 0, 200]) }
const SCAN: TableQuery = {
  kind: 'scan',
  pipeline: 'p',
  table: 't',
  partition: 0,
  from: null,
  to: new Uint8Array([9]),
  limit: 101,
}

it('questions for rows and rows arrive as they were sent', async () => {
  const { asker, asked } = await pair(ROWS)
  for (const query of [GET, SCAN]) assert.deepEqual(await askRows(asker.mesh, 'owner', query, 60_000), ROWS)
  assert.deepEqual(asked, [GET, SCAN])
})

it('keys that are parts of larger buffers arrive as these parts', async () => {
  const { asker, asked } = await pair([])
  const key = Buffer.from('before key after').subarray(7, 10)
  assert.deepEqual(await askRows(asker.mesh, 'owner', { ...GET, key } as TableQuery, 60_000), [])
  const [query] = asked
  assert.equal(query?.kind === 'get' ? Buffer.from(query.key).toString() : null, 'key')
})

it('a node without the table says so', async () => {
  const { asker } = await pair(undefined)
  assert.equal(await askRows(asker.mesh, 'owner', GET, 60_000), undefined)
})

it('what is no question for rows is none', async () => {
  const { asker, asked } = await pair([])
  const others: unknown[] = [
    null,
    'rows',
    {},
    { rows: null },
    { rows: { ...GET, kind: 'drop' } },
    { rows: { ...GET, key: 'text' } },
    { rows: { ...GET, partition: -1 } },
    { rows: { ...SCAN, from: 7 } },
    { rows: { ...SCAN, limit: 1.5 } },
  ]
  for (const other of others) assert.equal(await asker.mesh.ask('owner', other, 60_000), 'no rows')
  assert.deepEqual(asked, [])
})
