/** Server-sent events out of bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEvents, type ServerEvent } from './event-stream.ts'

test('server-sent events are told apart however the bytes are cut', async () => {
  const text = ': hello\r\nid: 1\r\nevent: record\r\ndata: {"a":\r\ndata: "é"}\r\n\r\nid: 2\n\ndata: x\n\ndata: lost'
  const bytes = Buffer.from(text)
  for (const size of [1, 2, 5, bytes.length]) {
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(Uint8Array.from(bytes.subarray(at, at + size)))
    const found: ServerEvent[] = []
    for await (const event of readEvents(ReadableStream.from(chunks))) found.push(event)
    assert.deepEqual(found, [
      { id: '1', event: 'record', data: '{"a":\n"é"}' },
      { id: '2', event: 'message', data: 'x' },
    ])
  }
})
