/**
 * One packet to an NSCA daemon. The daemon never answers, and does not say when it cannot decrypt what it gets. So this is
 * what is certain:
 *
 * 1. Until the packet was handed to the network nothing can have been taken: `retry`.
 * 2. The daemon reads until we end the connection, and ends it then. An end in order after ours means that it has read the
 *    packet: with something unread its system would reset the connection (RFC 1122, 4.2.2.13). An end before ours means
 *    nothing, so it is looked for before the packet is written and before we end; only one that is on its way to us at that
 *    very moment is taken for the other.
 * 3. Everything else is `unknown`.
 */
import { connect } from 'node:net'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { messageOf } from '../../errors.ts'
import { type CheckResult, GREETING_BYTES, type NscaEncryption, nscaPacket } from './nsca.ts'
import type { Wording } from './wording.ts'

export interface NscaTarget {
  readonly host: string
  readonly port: number
  readonly encryption: NscaEncryption
  readonly password: string
  readonly outputBytes: number
  readonly timeoutMs: number
  readonly wording: Wording
}

/** @throws DeliveryError retry, unknown */
export function sendNsca(target: NscaTarget, result: CheckResult, signal: AbortSignal): Promise<void> {
  const { host, port, encryption, password, outputBytes, timeoutMs, wording } = target
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true })
    const received: Buffer[] = []
    let length = 0
    let isWritten = false
    let isEnded = false
    let isOver = false
    const end = () => {
      isOver = true
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.destroy()
    }
    const fail = (why: string) => {
      if (isOver) return
      end()
      reject(new DeliveryError(isWritten ? 'unknown' : 'retry', `NSCA at ${host}: ${wording.of(why)}`))
    }
    const abort = () => fail('given up before it was taken')
    const timer = setTimeout(() => fail(`not taken within ${timeoutMs} ms`), timeoutMs)
    signal.addEventListener('abort', abort)
    socket.on('error', error => fail(messageOf(error)))
    socket.on('data', (chunk: Buffer) => {
      if (length >= GREETING_BYTES) return
      received.push(chunk)
      length += chunk.length
      if (length >= GREETING_BYTES) afterPoll(write)
    })
    const write = () => {
      if (isOver) return
      const packet = nscaPacket(result, Buffer.concat(received), outputBytes, encryption, password)
      // From here on: a part of it may arrive, and the rest with it.
      isWritten = true
      socket.write(packet, () =>
        afterPoll(() => {
          isEnded = true
          socket.end()
        }),
      )
    }
    socket.on('end', () => {
      if (!isWritten) return fail('it ended the connection at once: it may not know this machine')
      if (!isEnded) return fail('it ended the connection before it can have read the result')
      if (isOver) return
      end()
      resolve()
    })
    socket.on('close', () => fail('the connection was closed'))
  })
}

/** After the event loop has looked once more for what has come: what runs in its check phase comes before that. */
function afterPoll(act: () => void): void {
  setImmediate(() => setImmediate(act))
}
