/** How a receiver of webhooks may behave: the first part of a path says which. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What becomes of an event in the end. `disabled`: it is a dead letter, and its endpoint is disabled. */
export type End = 'delivered' | 'dead' | 'disabled'

export interface Fault {
  readonly about: string
  /** By the rules of Standard Webhooks, when the receiver goes on like this. */
  readonly end: End
  /** True: the event was taken. */
  answer(request: IncomingMessage, response: ServerResponse, endpoint: FaultState): boolean
}

/** What a fault remembers of an endpoint. */
export interface FaultState {
  /** Of a slow answer, ms. */
  readonly ms: number
  /** Until when it throttles, `performance.now()`; and how many it takes after that. */
  throttledUntil: number
  room: number
  /** Requests that came while it throttled, also those that were on their way by then. */
  early: number
  timers: Set<NodeJS.Timeout>
}

const RETRY_AFTER_S = 1
/** Requests that a throttling endpoint takes before it throttles again. */
const ROOM = 10
const DRIP_MS = 50
const CHUNK = Buffer.alloc(65_536, 'x')

export const FAULTS: Readonly<Record<string, Fault>> = {
  fast: {
    about: 'answers 200 at once',
    end: 'delivered',
    answer(_, response) {
      response.writeHead(200).end()
      return true
    },
  },
  slow: {
    about: 'answers 200 after ?ms=, 200 if it is not given',
    end: 'delivered',
    answer(_, response, state) {
      later(state, state.ms, () => response.writeHead(200).end())
      return true
    },
  },
  hang: {
    about: 'takes the request and never answers',
    end: 'dead',
    answer: () => false,
  },
  drip: {
    about: `answers 200 and sends a byte each ${DRIP_MS} ms, for ever`,
    end: 'dead',
    answer(_, response, state) {
      response.writeHead(200)
      const drip = (): void => {
        if (response.destroyed) return
        response.write('x')
        later(state, DRIP_MS, drip)
      }
      drip()
      return false
    },
  },
  fail: {
    about: 'answers 500',
    end: 'dead',
    answer(_, response) {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('the database is away')
      return false
    },
  },
  throttle: {
    about: `answers 429 with Retry-After: ${RETRY_AFTER_S} for that long, then takes ${ROOM}, and so on`,
    end: 'delivered',
    answer(_, response, state) {
      const now = performance.now()
      if (state.room > 0 && now >= state.throttledUntil) {
        state.room--
        response.writeHead(200).end()
        return true
      }
      if (state.room === 0) {
        state.room = ROOM
        state.throttledUntil = now + RETRY_AFTER_S * 1000
      } else state.early++
      response.writeHead(429, { 'retry-after': String(RETRY_AFTER_S) }).end()
      return false
    },
  },
  gone: {
    about: 'answers 410',
    end: 'disabled',
    answer(_, response) {
      response.writeHead(410).end()
      return false
    },
  },
  reset: {
    about: 'resets the connection in the middle of its answer 200',
    end: 'dead',
    answer({ socket }) {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of', () => socket.resetAndDestroy())
      return false
    },
  },
  short: {
    about: 'sends less than its Content-Length says, and closes',
    end: 'dead',
    answer({ socket }) {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort')
      return false
    },
  },
  long: {
    about: 'sends more than its Content-Length says',
    end: 'delivered',
    answer({ socket }) {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${'x'.repeat(50)}`)
      return true
    },
  },
  endless: {
    about: 'answers 200 with a body that never ends',
    end: 'delivered',
    answer(_, response) {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && response.write(CHUNK));
      }
      response.on('drain', more)
      more()
      return true
    },
  },
  metadata: {
    about: 'redirects to http://169.254.169.254/, where clouds keep their secrets',
    end: 'dead',
    answer(_, response) {
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end()
      return false
    },
  },
  loopback: {
    about: 'redirects to this receiver by 127.0.0.1, at /redirected',
    end: 'dead',
    answer({ socket }, response) {
      response.writeHead(307, { location: `http://127.0.0.1:${socket.localPort}/redirected` }).end()
      return false
    },
  },
  redirected: {
    about: 'where nobody comes who does not follow redirects; answers 200',
    end: 'delivered',
    answer(_, response) {
      response.writeHead(200).end()
      return true
    },
  },
}

export function newFaultState(ms: number): FaultState {
  return { ms, throttledUntil: 0, room: 0, early: 0, timers: new Set() }
}

function later({ timers }: FaultState, ms: number, run: () => void): void {
  const timer = setTimeout(() => {
    timers.delete(timer)
    run()
  }, ms)
  timers.add(timer)
}
