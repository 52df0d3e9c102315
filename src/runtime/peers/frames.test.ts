import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, type Frame, FrameReader, LARGEST_FRAME, LARGEST_GREETING, parseFrame } from './frames.ts'

const info = { node: 'a-1', members: [{ group: 'g', memberId: 'm' }], transactionalIds: ['t'], api: null, startedAt: 5 }
const FRAMES: Frame[] = [
  { kind: 'hello', protocol: 1, challenge: 'c' },
  { kind: 'challenge', challenge: 'c', proof: 'p' },
  { kind: 'proof', proof: 'p', node: 'ä', endpoint: { host: '::1', port: 1 } },
  { kind: 'welcome', info },
  { kind: 'info', info: { ...info, api: 'http://localhost:8000' } },
  { kind: 'ping', at: 1.5 },
  { kind: 'pong', at: 1.5 },
  { kind: 'ask', id: 7 },
  { kind: 'answer', id: 7 },
  { kind: 'problem', id: 7, code: 'BUSY', message: 'm', details: { partition: 1, topic: null } },
  { kind: 'tell' },
  { kind: 'goodbye' },
  { kind: 'refused', reason: 'r' },
]

/** What a reader takes out of pieces, and why it stopped. */
function read(pieces: Buffer[]): { frames: [Frame, Buffer][]; problem: string | null } {
  const reader = new FrameReader()
  const frames: [Frame, Buffer][] = []
  for (const piece of pieces) {
    const problem = reader.take(piece, (frame, bytes) => {
      frames.push([frame, bytes])
      return null
    })
    if (problem !== null) return { frames, problem }
  }
  return { frames, problem: null }
}

function cut(bytes: Buffer, sizes: number[]): Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...pieces, bytes.subarray(at)]
}

describe('frames', () => {
  it('arrive as they were sent, however the stream is cut', () => {
    const sent = fc.array(fc.tuple(fc.constantFrom(...FRAMES), fc.uint8Array({ maxLength: 50 })))
    fc.assert(
      fc.property(sent, fc.array(fc.nat(60)), (frames, sizes) => {
        const stream = Buffer.concat(frames.map(([frame, bytes]) => encodeFrame(frame, bytes)))
        const expected = frames.map(([frame, bytes]) => [frame, Buffer.from(bytes)])
        assert.deepEqual(read(cut(stream, sizes)), { frames: expected, problem: null })
      }),
    )
  })

  it('are refused as soon as their head tells that they are too long, and more only of a peer that is known', () => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(LARGEST_GREETING + 5, 0)
    head.writeUInt32BE(2, 4)
    assert.match(read([head]).problem!, /longer than 16384/)
    const reader = new FrameReader()
    reader.limit = LARGEST_FRAME
    assert.equal(
      reader.take(head, () => null),
      null,
    )
  })

  it('are refused with a header that does not fit', () => {
    for (const [length, headerLength] of [
      [0, 2],
      [4, 2],
      [10, 0],
      [10, 7],
      [10, 0xffffffff],
    ] as const) {
      const head = Buffer.alloc(8)
      head.writeUInt32BE(length, 0)
      head.writeUInt32BE(headerLength, 4)
      assert.notEqual(read([head]).problem, null, `${length} ${headerLength}`)
    }
  })

  it('of a request for a web page are none', () => {
    assert.match(read([Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')]).problem!, /longer than/)
  })

  it('of any bytes are a frame or a reason, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const head = Buffer.alloc(8)
        head.writeUInt32BE(4 + bytes.length, 0)
        head.writeUInt32BE(bytes.length, 4)
        const { frames } = read([Buffer.concat([head, bytes])])
        assert.ok(frames.length <= 1)
        read([Buffer.from(bytes)])
      }),
    )
  })

  it('with a field that is missing or of another type are none', () => {
    for (const frame of FRAMES) {
      for (const field of Object.keys(frame).filter(name => name !== 'code' && name !== 'details')) {
        assert.equal(parseFrame(JSON.stringify({ ...frame, [field]: undefined })), null, `${frame.kind} ${field}`)
        assert.equal(parseFrame(JSON.stringify({ ...frame, [field]: [null] })), null, `${frame.kind} ${field}`)
      }
    }
    for (const text of ['', 'null', '[]', '7', '{}', '{"kind":"constructor"}']) assert.equal(parseFrame(text), null)
  })

  it('of a problem with a code that is not known here tell of a defect', () => {
    const problem = { kind: 'problem', id: 1, message: 'm', details: { deep: {}, n: 1 } }
    for (const code of ['OF_TOMORROW', 'toString', 7]) {
      assert.deepEqual(parseFrame(JSON.stringify({ ...problem, code })), {
        ...problem,
        code: 'INTERNAL',
        details: { n: 1 },
      })
    }
  })
})
