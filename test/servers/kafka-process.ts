/** One Kafka broker, also its own controller: a Java process that can be stopped, killed, paused and started again. */
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Host, Running } from './kafka-host.ts'

const STARTED = /Kafka Server started/
const LOOK_EVERY_MS = 20
const LAST_LINES = 30

export interface BrokerFiles {
  /** The broker's own: logs of its starts, and what Java leaves behind. */
  folder: string
  properties: string
  logging: string
  /** Classes that Java maps instead of loading them; used if it is there. */
  classes: string
}

export class BrokerProcess {
  readonly #host: Host
  readonly #classpath: string
  readonly #files: BrokerFiles
  readonly #flags: string[]
  #running: Running | null = null
  #starts = 0

  /** @param flags more flags of Java */
  constructor(host: Host, classpath: string, files: BrokerFiles, flags: string[] = []) {
    this.#host = host
    this.#classpath = classpath
    this.#files = files
    this.#flags = flags
  }

  /**
   * Resolves when it answers requests.
   * @throws Error with the end of its log when it ends instead
   */
  async start(): Promise<void> {
    if (this.#running !== null) throw new Error('the broker runs already')
    const log = join(this.#files.folder, `start-${++this.#starts}.log`)
    const output = openSync(log, 'w')
    const args = [...javaFlags(this.#files), ...this.#flags, '-cp', this.#classpath]
    const running = this.#host.run([...args, 'kafka.Kafka', this.#files.properties], output)
    closeSync(output)
    this.#running = running
    const { child } = running
    let failed: string | null = null
    child.once('error', error => {
      failed = error.message
    })
    child.once('exit', (code, signal) => {
      failed ??= `it ended with ${code ?? signal}`
      if (this.#running === running) this.#running = null
    })
    while (!STARTED.test(readFileSync(log, 'utf8'))) {
      if (failed !== null) throw new Error(`Kafka did not start: ${failed}\n${lastLines(log)}`)
      await setTimeout(LOOK_EVERY_MS)
    }
    // A test process ends when its tests have: the broker, which it then leaves, is not to keep it.
    child.unref()
  }

  /** Ends it in order; what it held moves to the other brokers first. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Ends it as a crash would, also when it is paused. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** It goes on holding its connections, and answers nothing. */
  pause(): void {
    this.#running?.signal('SIGSTOP')
  }

  resume(): void {
    this.#running?.signal('SIGCONT')
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const running = this.#running
    if (running === null) return
    this.#running = null
    running.child.ref()
    const ended = new Promise(resolve => running.child.once('exit', resolve))
    running.signal(signal)
    await ended
  }
}

/** A small heap, short pauses, a quick start; nothing outside the broker's folder. */
export function javaFlags({ folder, logging, classes }: BrokerFiles): string[] {
  return [
    '-Xms128m',
    '-Xmx512m',
    '-XX:+UseG1GC',
    '-XX:MaxGCPauseMillis=20',
    // Tests are short: the second compiler would cost more than it brings.
    '-XX:TieredStopAtLevel=1',
    '-XX:-UsePerfData',
    `-XX:ErrorFile=${join(folder, 'crash.log')}`,
    `-Djava.io.tmpdir=${folder}`,
    `-Dlog4j2.configurationFile=${logging}`,
    ...(existsSync(classes) ? [`-XX:SharedArchiveFile=${classes}`] : []),
  ]
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n')
}
