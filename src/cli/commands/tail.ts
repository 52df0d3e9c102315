import type { Command } from 'commander'
import type { RecordView } from '../../http/record-view.ts'
import type { RecordsPage } from '../api-shapes.ts'
import { Interrupted } from '../failure.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { printRecord } from '../show-values.ts'

interface TailOptions {
  from?: string
  key?: string
  partition?: string
  limit?: number
  follow?: boolean
}

const DEFAULT_LIMIT = 10
const MOST_A_PAGE = 1000

export function define(command: Command, session: Session): void {
  command
    .argument('<topic>')
    .option('--from <place>', "'earliest', an offset, or PARTITION:OFFSET,… (default: the newest records)")
    .option('--key <key>', 'only records of this key')
    .option('--partition <number>', 'only records of this partition')
    .option('-n, --limit <count>', 'how many (default 10; with --from and --follow: all)', wholeNumber)
    .option('-f, --follow', 'go on with the records that come, until Ctrl-C')
    .action(async (topic: string, options: TailOptions) => {
      try {
        await tail(session, topic, options)
      } catch (error) {
        // Ctrl-C is how following ends.
        if (!(error instanceof Interrupted && options.follow === true)) throw error
      }
    })
}

async function tail(session: Session, topic: string, options: TailOptions): Promise<void> {
  const { api, out } = session
  const { from, key, partition, follow } = options
  const path = `/topics/${encodeURIComponent(topic)}`
  const endless = follow === true && from !== undefined
  let left = options.limit ?? (endless ? Number.POSITIVE_INFINITY : DEFAULT_LIMIT)
  const query = { key, partition }
  let place = from ?? 'latest'
  for (let complete = false; !complete && left > 0 && !session.signal.aborted; ) {
    const limit = Math.min(left, MOST_A_PAGE)
    const page = await api.get<RecordsPage>(`${path}/records`, { ...query, from: place, limit })
    for (const record of page.records) printRecord(out, record)
    left -= page.records.length
    // The newest records are asked for once; from there on it is forwards.
    complete = page.complete || place === 'latest'
    place = page.next
  }
  if (follow !== true) return
  // Without --from the limit is that of the records to begin with.
  if (from === undefined) left = Number.POSITIVE_INFINITY
  if (left <= 0) return
  for await (const { data } of api.events(`${path}/tail`, { ...query, from: place })) {
    const record = JSON.parse(data) as RecordView
    // The stream is of the whole partition of the key.
    if (key !== undefined && !isKey(record.key, key)) continue
    printRecord(out, record)
    if (--left <= 0) return
  }
}

function isKey(key: unknown, text: string): boolean {
  return typeof key === 'string' ? key === text : JSON.stringify(key) === text
}
