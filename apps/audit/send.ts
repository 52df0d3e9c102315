import { setTimeout } from 'node:timers/promises'
import { type AuditMessage, messageToJson } from './json.ts'
import { TradeSource, type TradeSourceOptions, toMessage } from './source.ts'
import { replayTrades, sampleTrades } from './trades.ts'

/** What is used of the HTTP API of a running auditor. */
export interface SendApi {
  post<T>(path: string, query: Record<string, never>, body: string, contentType: string): Promise<T>
}

export interface SendReport {
  accepted: number
  rejected: number
  /** Alerts that these messages must lead to. */
  expectedAlerts: number
  seconds: number
}

export interface SendSettings {
  signal: AbortSignal
  progress?: (report: SendReport) => void
}

interface Due {
  /** ms from the start. */
  at: number
  message: AuditMessage<number>
}

const STEP_MS = 50
const MESSAGES_A_REQUEST = 10_000

/** Sends made-up trades to a running auditor, as JSON and at a rate, until `messages` are sent or the signal ends it. */
export function sendTrades(
  api: SendApi,
  { signal, progress, ...options }: SendSettings & TradeSourceOptions & { rate: number },
): Promise<SendReport> {
  const report = newReport()
  const source = new TradeSource({ ...options, firstId: freshId() }, () => report.expectedAlerts++)
  async function* due(): AsyncGenerator<Due> {
    while (source.next()) yield { at: source.at, message: toMessage(source, null) }
    source.finish()
  }
  return post(api, due(), report, { signal, ...(progress === undefined ? {} : { progress }) })
}

export interface ReplaySettings extends SendSettings {
  /** How many times faster than they happened. */
  speed: number
  /** A gzipped CSV `ts_us,symbol,price,size`. Default: the sample. */
  file?: string
  /** How many times in a row. Default 1. */
  loops?: number
}

/** Sends real trades as orders to a running auditor, as JSON, at a speed. */
export function sendReplay(api: SendApi, { speed, file, loops, ...settings }: ReplaySettings): Promise<SendReport> {
  const report = newReport()
  const first = freshId()
  async function* due(): AsyncGenerator<Due> {
    for await (const messages of replayTrades(file ?? sampleTrades(), { loops: loops ?? 1 })) {
      for (const { at, message, alert } of messages) {
        if (alert !== null) report.expectedAlerts++
        yield { at: at / speed, message: withIdsFrom(first, message) }
      }
    }
  }
  return post(api, due(), report, settings)
}

/** Ids from here on were used by no earlier run. */
function freshId(): number {
  return Date.now() * 1000
}

function withIdsFrom(first: number, message: AuditMessage<number>): AuditMessage<number> {
  const id = first + message.id
  return message.kind === 'request' ? { ...message, id } : { ...message, id, orderId: first + message.orderId }
}

function newReport(): SendReport {
  return { accepted: 0, rejected: 0, expectedAlerts: 0, seconds: 0 }
}

async function post(
  api: SendApi,
  messages: AsyncGenerator<Due>,
  report: SendReport,
  { signal, progress }: SendSettings,
): Promise<SendReport> {
  const begun = performance.now()
  let lines: string[] = []
  const flush = async (): Promise<void> => {
    if (lines.length > 0) {
      const answer = await api.post<{ accepted: number; rejected: number }>(
        '/topics/trades/records',
        {},
        lines.join('\n'),
        'application/x-ndjson',
      )
      report.accepted += answer.accepted
      report.rejected += answer.rejected
      lines = []
    }
    report.seconds = (performance.now() - begun) / 1000
    progress?.(report)
  }
  for await (const { at, message } of messages) {
    while (at > performance.now() - begun && !signal.aborted) {
      await flush()
      const wait = Math.max(STEP_MS, Math.min(at - (performance.now() - begun), 1000))
      await setTimeout(wait, undefined, { signal }).catch(() => {})
    }
    if (signal.aborted) break
    lines.push(JSON.stringify(messageToJson(message)))
    if (lines.length >= MESSAGES_A_REQUEST) await flush()
  }
  if (!signal.aborted) await flush()
  return report
}
