/**
 * A process of any program that does the audit job, told and telling what `audit-peer.ts` says at its head. It is killed
 * and started again under its name.
 *
 * 1. It leads a group of processes, so what it started dies with it; `kill` resolves when all of them are gone.
 * 2. What it writes goes to its log, but for `ready` and its progress.
 * 3. What it leaves behind lies in its folder, which is the same at each start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { hold } from '../test/servers/leash.ts'

export interface PeerNodeSettings {
  /** A simple command, as a shell takes it. */
  command: string
  /** AUDIT_BOOTSTRAP and so on. */
  environment: Readonly<Record<string, string>>
  /** Its log and its own folder are made there. */
  folder: string
}

/** What decides how soon others take over, and what that costs, as Kafka's clients log it at their start. */
const SETTINGS = [
  'processing.guarantee',
  'commit.interval.ms',
  'num.stream.threads',
  'num.standby.replicas',
  'group.protocol',
  'session.timeout.ms',
  'transaction.timeout.ms',
]
const SETTING = /^\s*([a-z.]+) = (\S+)\s*$/
const LAST_LINES = 10

export class PeerNode {
  readonly name: string
  /** When it would process a message without delay. */
  ready: Promise<void> = Promise.resolve()
  /** What it logged of its settings. */
  readonly seen = new Map<string, string>()
  #child: ChildProcess | null = null
  #starts = 0
  #dies = false
  readonly #settings: PeerNodeSettings
  readonly #onDeath: (error: Error) => void

  /** @param onDeath called when its process ends by itself */
  constructor(name: string, settings: PeerNodeSettings, onDeath: (error: Error) => void) {
    this.name = name
    this.#settings = settings
    this.#onDeath = onDeath
  }

  start(): void {
    const { command, environment, folder } = this.#settings
    const file = join(folder, `${this.name}-${++this.#starts}.log`)
    const own = join(folder, this.name)
    mkdirSync(own, { recursive: true })
    const log = openSync(file, 'w')
    const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
      env: { ...process.env, ...environment, ...ownEnvironment(own, process.env) },
      stdio: ['ignore', 'pipe', log],
      detached: true,
    })
    const release = child.pid === undefined ? () => {} : hold({ pid: -child.pid })
    this.#child = child
    this.#dies = false
    const ready = Promise.withResolvers<void>()
    this.ready = ready.promise
    ready.promise.catch(() => {})
    createInterface({ input: child.stdout! }).on('line', line => {
      if (line === 'ready') ready.resolve()
      else if (!line.startsWith('progress ')) {
        writeSync(log, `${line}\n`)
        this.#look(line)
      }
    })
    const end = (why: string): void => {
      const last = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n')
      const error = new Error(`${this.name} ended by itself: ${why}\n${last}`)
      ready.reject(error)
      if (!this.#dies) this.#onDeath(error)
    }
    child.once('error', error => end(error.message))
    child.once('exit', (code, signal) => end(String(code ?? signal)))
    child.once('close', () => {
      closeSync(log)
      release()
      if (this.#child === child) this.#child = null
    })
  }

  /** Ends it as a crash would, with all that it started. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined) return
    this.#dies = true
    // Its output is closed by the last of its group.
    const closed = once(child, 'close')
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
    await closed
  }

  #look(line: string): void {
    const setting = settingIn(line)
    if (setting !== null) this.seen.set(...setting)
  }
}

/** One of the settings that matter here, if a line of a log tells it. */
export function settingIn(line: string): [name: string, value: string] | null {
  const [, name, value] = SETTING.exec(line) ?? []
  return name !== undefined && value !== undefined && SETTINGS.includes(name) ? [name, value] : null
}

/** Where a process may leave what it likes. Java's temporary folder is not that of the environment. */
export function ownEnvironment(folder: string, environment: NodeJS.ProcessEnv): Record<string, string> {
  const { AUDIT_JAVA_ARGS, AUDIT_LOG } = environment
  const flags = AUDIT_JAVA_ARGS === undefined ? [] : [AUDIT_JAVA_ARGS]
  return {
    AUDIT_FOLDER: folder,
    TMPDIR: folder,
    AUDIT_JAVA_ARGS: [...flags, `-Djava.io.tmpdir=${folder}`].join(' '),
    // Kafka's clients tell their settings at this level.
    AUDIT_LOG: AUDIT_LOG ?? 'INFO',
  }
}
