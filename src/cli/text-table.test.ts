/** Tables on a terminal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plain, textTable, widthOf } from './text-table.ts'

test('numbers stand at the right, and flexible columns give way to the width', () => {
  const rows = [
    { name: 'a', n: 5, why: 'long '.repeat(20) },
    { name: '表', n: 1000, why: 'short' },
  ]
  const text = textTable<(typeof rows)[number]>(
    [
      { header: 'NAME', cell: row => row.name },
      { header: 'N', cell: row => row.n, right: true },
      { header: 'WHY', cell: row => row.why, flexible: true },
    ],
    rows,
    40,
    header => header,
  )
  assert.equal(text, 'NAME     N  WHY\na        5  long long long long long lo…\n表    1000  short\n')
})

test('where nothing makes a table fit, its lines break, and what they say is not cut to nothing', () => {
  const rows = [{ id: 'x'.repeat(30), why: `the receiver answered ${'5'.repeat(60)}` }]
  const text = textTable<(typeof rows)[number]>(
    [
      { header: 'ID', cell: row => row.id },
      { header: 'WHY', cell: row => row.why, flexible: true },
    ],
    rows,
    40,
    header => header,
  )
  assert.equal(text.split('\n')[1], `${'x'.repeat(30)}  the receiver answered ${'5'.repeat(37)}…`)
})

test('a value cannot command the terminal', () => {
  assert.equal(plain('\u001b[2Jred\u001b[31m\r\nx\u202e'), 'red··x·')
  assert.equal(widthOf('a表e\u0301'), 4)
})
