import { type Command, InvalidArgumentError } from 'commander'
import { AldebaranError } from '../../errors.ts'
import { embedded, type LogLocation } from '../../runtime/log-location.ts'
import { UsageError } from '../failure.ts'
import { givenLog, LOG_HELP, openToolLog } from '../log-option.ts'
import { msOf } from '../option-values.ts'
import { carryOut, type Move, planReset, type ResetPlan, type ResetTarget } from '../reset-plan.ts'
import type { Session } from '../session.ts'
import { countText } from '../show-values.ts'

interface ResetOptions {
  log?: string
  data?: string
  pipeline?: string
  to: ResetTarget
  deleteState?: boolean
  yes?: boolean
}

export function define(command: Command, session: Session): void {
  command
    .argument('<application>')
    .option('--pipeline <name>', 'one of its pipelines (default: all)')
    .option('--to <place>', 'earliest, latest, or a time: ISO 8601, or ms since 1970', target, 'earliest')
    .option('--delete-state', 'forget the rows of its tables too')
    .option('--log <location>', LOG_HELP)
    .option('--data <folder>', 'the folder of its log')
    .option('--yes', 'do it; without it is only told what would be done')
    .action((application: string, options: ResetOptions) => reset(session, application, options))
}

async function reset(session: Session, application: string, options: ResetOptions): Promise<void> {
  const { out } = session
  const { pipeline = null, to, deleteState = false, yes = false } = options
  // A folder is opened for writing: so nobody else writes to it meanwhile.
  const tool = await openToolLog(logOf(session, options), !yes)
  try {
    const plan = await planReset(tool.log, application, pipeline, to, deleteState)
    const active = await tool.activeGroups(plan.groups)
    tell(session, plan, yes)
    const members = [...active].map(([group, state]) => `${group} (${state})`).join(', ')
    const running = `the application runs, these groups have members: ${members}`
    if (!yes) {
      out.note(`Nothing was changed: --yes does it.${active.size > 0 ? ` First stop all nodes: ${running}.` : ''}`)
      return
    }
    if (active.size > 0) throw new AldebaranError('BUSY', `${running}; stop it on every node`, { application })
    await carryOut(await tool.sole(`reset.${application}`), plan)
    out.note('Done.')
  } finally {
    await tool.close()
  }
}

function tell({ out }: Session, { moves, changelogs, keyspaces }: ResetPlan, done: boolean): void {
  out.rows<Move>(
    [
      { header: 'READER', cell: move => move.group },
      { header: 'TOPIC', cell: move => move.topic },
      { header: 'PARTITION', cell: move => move.partition, right: true },
      { header: 'FROM', cell: move => (move.from === null ? 'start' : countText(move.from)), right: true },
      { header: 'TO', cell: move => countText(move.to), right: true },
    ],
    moves,
    'No positions to move.',
  )
  const what = done ? 'is deleted' : 'would be deleted'
  for (const topic of changelogs) {
    if (out.json) out.value({ changelog: topic })
    else out.text(`changelog ${topic} ${what}`)
  }
  for (const keyspace of keyspaces.filter(name => !name.includes('#'))) {
    if (out.json) out.value({ table: keyspace })
    else out.text(`table ${keyspace} ${what}`)
  }
}

function logOf({ surroundings }: Session, { log, data }: ResetOptions): LogLocation {
  if (log !== undefined && data !== undefined) throw new UsageError('--log or --data, not both')
  const given = data === undefined ? givenLog(log, surroundings.env) : embedded(data)
  if (given === undefined) throw new UsageError('where is the log? --log LOCATION or --data FOLDER')
  return given
}

function target(text: string): ResetTarget {
  if (text === 'earliest' || text === 'latest') return text
  const ms = msOf(text)
  if (ms !== null) return ms
  throw new InvalidArgumentError('It is earliest, latest, or a time such as 2026-03-01T09:30:00Z.')
}
