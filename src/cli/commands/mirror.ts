import { setTimeout } from 'node:timers/promises'
import type { Command } from 'commander'
import { AldebaranError, messageOf } from '../../errors.ts'
import { MIRROR_GROUPS } from '../../http/lag.ts'
import type { TopicInfo } from '../../log/contract.ts'
import { unknownTopic } from '../../log/topics.ts'
import { Interrupted, UsageError } from '../failure.ts'
import { locationOf, openToolLog, type ToolLog } from '../log-option.ts'
import { createMirrored, type MirrorTotal, mirror } from '../mirror.ts'
import type { Session } from '../session.ts'
import { countText, sizeText } from '../show-values.ts'

interface MirrorOptions {
  from: string
  to: string
  topics?: string
  all?: boolean
  follow?: boolean
  name: string
}

const PROGRESS_MS = 500
/** After an error that may pass, ms. */
const AGAIN_MS = 1000

export function define(command: Command, session: Session): void {
  command
    .requiredOption('--from <location>', 'a folder, or kafka://HOST:PORT,…; another process may be writing to it')
    .requiredOption('--to <location>', 'a folder that no process writes to, or kafka://HOST:PORT,…')
    .option('--topics <names>', 'separated by commas')
    .option('--all', 'all of them, but those that the runtime keeps for itself')
    .option('-f, --follow', 'go on with what comes')
    .option('--name <name>', 'its place is kept under this name in the target', 'default')
    .action((options: MirrorOptions) => run(session, options))
}

async function run(session: Session, options: MirrorOptions): Promise<void> {
  const { env } = session.surroundings
  if ((options.topics === undefined) === (options.all !== true)) throw new UsageError('--topics a,b or --all')
  if (!/^[a-zA-Z0-9_-]{1,100}$/.test(options.name)) throw new UsageError('--name has letters, digits, _ and -')
  const from = await openToolLog(locationOf(options.from, env), true)
  try {
    const to = await openToolLog(locationOf(options.to, env), false)
    try {
      await copy(session, options, from, to)
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

async function copy(session: Session, options: MirrorOptions, from: ToolLog, to: ToolLog): Promise<void> {
  const { out, signal } = session
  const topics = await topicsOf(from, options)
  await createMirrored(to.log, topics)
  const group = `${MIRROR_GROUPS}${options.name}`
  const sum: MirrorTotal = { records: 0, batches: 0, bytes: 0 }
  let told = 0
  for (let done = false; !done && !signal.aborted; ) {
    const target = await to.sole(group)
    const before = { ...sum }
    const progress = (total: MirrorTotal): void => {
      for (const key of ['records', 'batches', 'bytes'] as const) sum[key] = before[key] + total[key]
      if (performance.now() - told < PROGRESS_MS) return
      told = performance.now()
      out.progress(textOf(sum))
    }
    try {
      const { follow = false } = options
      await mirror({ from: from.log, to: target, group, topics, follow, signal, progress })
      done = true
    } catch (error) {
      // The next try finds out how far it came.
      if (!mayPass(error) || target === to.log) throw error
      out.note(`warn: ${messageOf(error)}; trying again`)
      await setTimeout(AGAIN_MS)
    } finally {
      if (target !== to.log) await target.close()
    }
  }
  out.progress('')
  if (out.json) out.value(sum)
  else out.text(`${textOf(sum)} copied.`)
  if (signal.aborted && options.follow !== true) throw new Interrupted()
}

async function topicsOf(from: ToolLog, { topics }: MirrorOptions): Promise<TopicInfo[]> {
  const all = await from.log.listTopics()
  if (topics === undefined) return all.filter(info => info.internal !== true)
  return topics.split(',').map(name => {
    const found = all.find(info => info.name === name.trim())
    if (found === undefined) throw unknownTopic(name.trim())
    return found
  })
}

function mayPass(error: unknown): boolean {
  return error instanceof AldebaranError && error.fate === 'retry'
}

function textOf({ records, batches, bytes }: MirrorTotal): string {
  return `${countText(records)} records in ${countText(batches)} batches, ${sizeText(bytes)}`
}
