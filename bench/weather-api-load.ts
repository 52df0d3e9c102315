/**
 * Many connections that ask one server, HTTP/1.1 with keep-alive, one request under way on each. It reads no more of an answer
 * than its status and its length: what is measured is the server.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { percentiles } from './measure.ts'
import { answerCalls } from './webhooks-process.ts'

export interface LoadSettings {
  port: number
  connections: number
  /** Asked for in turn. */
  paths: readonly string[]
  seconds: number
  /** Requests a second, at even distances; null: each connection asks again at once. */
  rate: number | null
}

export interface LoadResult {
  requests: number
  /** Answers other than 200. */
  failed: number
  seconds: number
  /** ms from when a request was due (with a rate; else: was sent) to its answer. */
  latency: { p50: number; p99: number; p999: number; max: number }
  /** The p99 of each second in which requests were due: one that others disturbed stands apart. */
  p99s: number[]
  bytes: number
}

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH = Buffer.from('\r\ncontent-length: ')
const OK = Buffer.from('HTTP/1.1 200')
const MOST_MEASURED = 4_000_000

class Connection {
  readonly socket: Socket
  due = 0
  #left: Buffer = Buffer.alloc(0)
  readonly #answered: (connection: Connection, isOk: boolean) => void

  constructor(socket: Socket, answered: (connection: Connection, isOk: boolean) => void) {
    this.socket = socket
    this.#answered = answered
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
  }

  #take(bytes: Buffer): void {
    const all = this.#left.length === 0 ? bytes : Buffer.concat([this.#left, bytes])
    const head = all.indexOf(HEAD_END)
    const at = head < 0 ? -1 : all.indexOf(LENGTH)
    const length =
      at < 0 || at > head ? 0 : Number.parseInt(all.toString('latin1', at + LENGTH.length, at + LENGTH.length + 10), 10)
    if (head < 0 || all.length < head + HEAD_END.length + length) {
      this.#left = all
      return
    }
    this.#left = Buffer.alloc(0)
    this.#answered(this, all.compare(OK, 0, OK.length, 0, OK.length) === 0)
  }
}

async function load({ port, connections, paths, seconds, rate }: LoadSettings): Promise<LoadResult> {
  const requests = paths.map(path => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`))
  const latencies = new Float64Array(MOST_MEASURED)
  const dues = new Float64Array(MOST_MEASURED)
  // In turn, so that all of them are used.
  const free: Connection[] = []
  let firstFree = 0
  let count = 0
  let failed = 0
  let next = 0
  let begun = false
  let ended = false
  let waiting = 0
  const ask = (connection: Connection, due: number) => {
    connection.due = due
    waiting++
    connection.socket.write(requests[next++ % requests.length]!)
  }
  const answered = (connection: Connection, isOk: boolean) => {
    const now = performance.now()
    waiting--
    if (count < MOST_MEASURED) {
      dues[count] = connection.due
      latencies[count++] = now - connection.due
    }
    if (!isOk) failed++
    if (rate === null && begun && !ended) ask(connection, now)
    else free.push(connection)
  }
  const all: Connection[] = []
  while (all.length < connections) {
    // A backlog of connections is bounded by the system.
    const some = Array.from({ length: Math.min(100, connections - all.length) }, () => connect(port, '127.0.0.1'))
    await Promise.all(some.map(socket => once(socket, 'connect')))
    for (const socket of some) all.push(new Connection(socket, answered))
  }
  // Until each has had an answer the server is still taking connections.
  for (const connection of all) ask(connection, performance.now())
  while (waiting > 0) await setTimeout(1)
  count = 0
  failed = 0
  begun = true
  const before = bytesOf(all)
  const start = performance.now()
  const end = start + seconds * 1000
  if (rate === null) {
    for (const connection of all) ask(connection, performance.now())
    await setTimeout(seconds * 1000)
  } else {
    // What is due and finds no connection free waits: its latency counts from when it was due.
    for (let due = 0; performance.now() < end; ) {
      const now = performance.now()
      for (; start + (due * 1000) / rate <= now && firstFree < free.length; due++) {
        ask(free[firstFree++]!, start + (due * 1000) / rate)
      }
      free.splice(0, firstFree)
      firstFree = 0
      await setTimeout(1)
    }
  }
  ended = true
  const took = (performance.now() - start) / 1000
  const within = count
  while (waiting > 0) await setTimeout(1)
  const bytes = bytesOf(all) - before
  for (const { socket } of all) socket.destroy()
  const p99s: number[] = []
  for (let second = 0; second < Math.floor(seconds); second++) {
    const of = latencies.slice(0, count).filter((_, i) => Math.floor((dues[i]! - start) / 1000) === second)
    if (of.length > 0) p99s.push(percentiles(of.sort()).p99)
  }
  const { p50, p99, p999, max } = percentiles(latencies.subarray(0, count).sort())
  return { requests: within, failed, seconds: took, latency: { p50, p99, p999, max }, p99s, bytes }
}

function bytesOf(connections: readonly Connection[]): number {
  return connections.reduce((sum, { socket }) => sum + socket.bytesRead, 0)
}

const calls = { load }
export type LoadCalls = typeof calls
answerCalls(calls)
