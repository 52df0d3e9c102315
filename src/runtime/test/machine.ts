/** Machines whose workers have disk tables beside a log whose units cannot carry their rows. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../log/contract.ts'
import { LocalTableFolder } from '../../log/local-table-folder.ts'
import type { Clock } from '../../time/clock.ts'
import type { Assignment } from '../assignment.ts'
import { counting, type TestWorker, TestWorkers } from './workers.ts'

/** The task, and its table's changelog. */
export const ID = 'count/0'
const CHANGELOG = 'counting.count.counts.changelog'
export const ACTIVE: Assignment = { active: [ID], standby: [] }
export const STANDBY: Assignment = { active: [], standby: [ID] }
export const app = counting(false, 'disk')

/** So many words, each another one. */
export function many(count: number): string[] {
  return Array.from({ length: count }, (_, n) => String(n))
}

/** A machine: its folder, and what was opened there. */
export class Machine {
  readonly folder = mkdtempSync(join(tmpdir(), 'aldebaran-disk-'))
  identity = 'topic 1'
  readonly #clock: Clock
  #opened: LocalTableFolder[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For one thread. */
  wrap(): (log: Log) => Log {
    const { folder } = this
    const tables = new LocalTableFolder({ folder, clock: this.#clock, identityOf: () => this.identity })
    this.#opened.push(tables)
    return log =>
      new Proxy(log, {
        get(target, name) {
          if (name === 'capabilities') return { ...target.capabilities, tables: false }
          if (name === 'localTables') return tables
          if (name === 'tableGet' || name === 'tableRange') throw new Error('this log has no tables')
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
  }

  /** Everything there is closed, as when the process ends. */
  async end(): Promise<void> {
    await Promise.all(this.#opened.map(tables => tables.close()))
    this.#opened = []
  }

  get store(): string {
    return join(this.folder, CHANGELOG, '0', 'store.mdb')
  }

  async remove(): Promise<void> {
    await this.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Two machines on one log. */
export class DiskSite extends TestWorkers {
  readonly machine = new Machine(this.clock)
  readonly other = new Machine(this.clock)

  /** A worker of a process on a machine. */
  addAt(machine: Machine, assignment: Assignment = ACTIVE, more: object = {}): Promise<TestWorker> {
    return this.add(assignment, { app, wrap: machine.wrap(), ...more })
  }

  async remove(): Promise<void> {
    await this.machine.remove()
    await this.other.remove()
  }
}
