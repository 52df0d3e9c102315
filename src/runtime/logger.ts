import { pino } from 'pino'
import { AldebaranError } from '../errors.ts'
import type { Report } from './worker-host.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * Structured logs: one JSON object a line on stderr, with `time` (ISO), `level`, `application`, `msg` and the details.
 * What looks like a credential is left out.
 */
export function logReport(application: string, level: LogLevel): Report {
  const logger = pino(
    {
      level,
      base: { application },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: ['token', 'tokens', 'authorization', 'password', '*.token', '*.authorization', '*.password'] },
    },
    pino.destination({ dest: 2, sync: true }),
  )
  return (severity, message, details) => logger[severity](details, message)
}

/** The level that LOG_LEVEL names; without it 'info'. */
export function logLevelFrom(environment: NodeJS.ProcessEnv): LogLevel {
  const text = environment.LOG_LEVEL ?? 'info'
  const level = LOG_LEVELS.find(one => one === text)
  if (level === undefined) {
    throw new AldebaranError('OPTION_INVALID', `LOG_LEVEL: '${text}' is none of ${LOG_LEVELS.join(', ')}`, {
      option: 'LOG_LEVEL',
    })
  }
  return level
}
