/**
 * The auditor as the environment sets it up; what `aldebaran run` and the worker threads import.
 *
 * AUDIT_IDS         integer or text (default): how order ids are spelled
 * AUDIT_DELTA_MS    Δt in ms (default 10000)
 * AUDIT_PARTITIONS  partitions of each topic (default 4)
 * AUDIT_NAME        name of the application (default audit)
 * AUDIT_TRADES, AUDIT_REQUESTS, AUDIT_PURCHASES, AUDIT_ALERTS  names of its topics, where they have others
 * AUDIT_CHANNELS    file of the channels that alerts go out by: channels.ts
 */
import { AldebaranError } from 'aldebaran'
import { type Audit, type AuditSettings, buildAudit } from './app.ts'
import { readChannels } from './channels.ts'

export async function auditFromEnvironment(environment: NodeJS.ProcessEnv): Promise<Audit> {
  const ids = environment.AUDIT_IDS ?? 'text'
  if (ids !== 'integer' && ids !== 'text') {
    throw new AldebaranError('OPTION_INVALID', `AUDIT_IDS: '${ids}' is neither integer nor text`, {
      option: 'AUDIT_IDS',
    })
  }
  const settings: AuditSettings = { ids }
  const delta = wholeNumber(environment, 'AUDIT_DELTA_MS')
  if (delta !== undefined) settings.deltaMs = delta
  const partitions = wholeNumber(environment, 'AUDIT_PARTITIONS')
  if (partitions !== undefined) settings.partitions = partitions
  if (environment.AUDIT_NAME !== undefined) settings.name = environment.AUDIT_NAME
  for (const topic of ['trades', 'requests', 'purchases', 'alerts'] as const) {
    const name = environment[`AUDIT_${topic.toUpperCase()}`]
    if (name !== undefined) settings.topics = { ...settings.topics, [topic]: name }
  }
  if (environment.AUDIT_CHANNELS) settings.channels = await readChannels(environment.AUDIT_CHANNELS, environment)
  return buildAudit(settings)
}

function wholeNumber(environment: NodeJS.ProcessEnv, option: string): number | undefined {
  const text = environment[option]
  if (text === undefined || text === '') return undefined
  if (!/^[1-9][0-9]{0,12}$/.test(text)) {
    throw new AldebaranError('OPTION_INVALID', `${option}: '${text}' is not a whole number from 1`, { option })
  }
  return Number(text)
}

const audit = await auditFromEnvironment(process.env)
export const app = audit.application
