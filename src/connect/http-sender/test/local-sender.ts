/** A sender that may send to this machine. */
import { HttpSender, type HttpSenderSettings } from '../http-sender.ts'
import { deliveryErrorOf } from '../outcome.ts'
import type { PostOutcome } from '../post.ts'

const LOCAL = { http: true, ports: 'any', allow: ['127.0.0.0/8'] } as const

export async function withSender<T>(
  work: (sender: HttpSender) => Promise<T>,
  settings: HttpSenderSettings = {},
): Promise<T> {
  const sender = new HttpSender({ addresses: LOCAL, ...settings })
  try {
    return await work(sender)
  } finally {
    await sender.close()
  }
}

export const post = (sender: HttpSender, url: string, body: string | Buffer = '{"a":1}', timeout = 20_000) =>
  sender.post({ url, headers: ['content-type', 'application/json'], body, timeout })

export const fate = (outcome: PostOutcome) => deliveryErrorOf(outcome, Date.now())?.fate ?? 'delivered'
