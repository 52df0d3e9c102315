import type { Command } from 'commander'
import type { Session } from './session.ts'

/** What the module of a command exports. */
export interface CommandModule {
  /** Gives the command its arguments, options and action. */
  define(command: Command, session: Session): void
}

export interface CommandEntry {
  readonly name: string
  /** One line of the help. */
  readonly summary: string
  /** Loaded only when the command is called, so that the help comes at once. */
  readonly load: () => Promise<CommandModule>
  /** Everything behind the name is an argument, options too: they belong to the program that is called. */
  readonly passThrough?: boolean
}

/** Every command, in the order of the help. A new one is a line here and a file in `commands`. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'up', summary: 'run every application, with sample data', load: () => import('./commands/up.ts') },
  { name: 'run', summary: 'run the application of a module', load: () => import('./commands/run.ts') },
  { name: 'topics', summary: 'list the topics, or show one', load: () => import('./commands/topics.ts') },
  { name: 'tail', summary: 'print the records of a topic', load: () => import('./commands/tail.ts') },
  { name: 'produce', summary: 'send records to a topic', load: () => import('./commands/produce.ts') },
  { name: 'lag', summary: 'how far readers are behind', load: () => import('./commands/lag.ts') },
  { name: 'table', summary: 'list tables, read their rows', load: () => import('./commands/table.ts') },
  {
    name: 'deliveries',
    summary: 'what goes outside: destinations, events, pause, resume',
    load: () => import('./commands/deliveries.ts'),
  },
  { name: 'dlq', summary: 'dead letters: list, show, replay, purge', load: () => import('./commands/dlq.ts') },
  {
    name: 'schemas',
    summary: 'the schema registry: list, get, register, check, delete',
    load: () => import('./commands/schemas.ts'),
  },
  {
    name: 'cluster',
    summary: 'the nodes of an application, and their tasks',
    load: () => import('./commands/cluster.ts'),
  },
  { name: 'reset', summary: 'let an application read again', load: () => import('./commands/reset.ts') },
  { name: 'mirror', summary: 'copy topics from one log to another', load: () => import('./commands/mirror.ts') },
  { name: 'audit', summary: 'ask the trade auditor', load: () => import('./commands/audit.ts') },
  {
    name: 'alerts',
    summary: 'the channels of its alerts, and alerts in doubt',
    load: () => import('./commands/alerts.ts'),
  },
  {
    name: 'webhooks',
    summary: 'the webhook notifier: the SQL of its outbox',
    load: () => import('./commands/webhooks.ts'),
  },
  {
    name: 'weather',
    summary: 'the heat index of a file; implementations compared; load tests',
    load: () => import('./commands/weather.ts'),
  },
  { name: 'doctor', summary: 'check this machine and a data folder', load: () => import('./commands/doctor.ts') },
  {
    name: 'simulate',
    summary: 'crash an application in every way, by seed',
    load: () => import('./commands/simulate.ts'),
  },
  { name: 'bench', summary: 'run a benchmark', load: () => import('./commands/bench.ts'), passThrough: true },
]
