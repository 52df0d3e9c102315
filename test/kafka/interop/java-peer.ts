/**
 * Kafka's own clients for tests: one Java process that runs test/kafka/java/KafkaPeer.java from its source, and does one
 * thing after the other. Bytes are base64 on both sides, so that records compare as plain objects.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Position } from '../../../src/log/contract.ts'
import { findOrInstallKafka, type Kafka } from '../../servers/kafka-installation.ts'
import { hold } from '../../servers/leash.ts'
import { installPackage } from '../../servers/platform-packages.ts'

const PROGRAM = join(import.meta.dirname, '..', 'java', 'KafkaPeer.java')
const JDK = {
  'apt-get': ['openjdk-21-jdk-headless', 'openjdk-17-jdk-headless', 'default-jdk-headless'],
  dnf: ['java-21-openjdk-devel', 'java-17-openjdk-devel', 'java-latest-openjdk-devel'],
  apk: ['openjdk21-jdk', 'openjdk17-jdk'],
  brew: ['openjdk'],
}

/** A record as both sides tell it. Key and value are base64. */
export interface PlainRecord {
  timestamp: number
  key: string | null
  value: string | null
  headers: { key: string; value: string | null }[]
}

export type ReadRecord = PlainRecord & { offset: number }

export type Isolation = 'read_committed' | 'read_uncommitted'

export class JavaPeer {
  readonly #child: ChildProcess
  readonly #release: () => void
  readonly #waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = []
  #last = ''

  constructor(kafka: Kafka, java: string, bootstrap: string) {
    // A short life: the second compiler would cost more than it brings.
    const flags = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', '-Dlog4j2.level=OFF']
    const folder = mkdtempSync(join(tmpdir(), 'aldebaran-java-'))
    const args = [...flags, `-Djava.io.tmpdir=${folder}`, '-cp', kafka.classpath, PROGRAM, bootstrap]
    const child = spawn(java, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    const releases = [hold({ folder }), child.pid === undefined ? () => {} : hold({ pid: child.pid })]
    this.#release = () => {
      rmSync(folder, { recursive: true, force: true })
      for (const release of releases) release()
    }
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#last = (this.#last + text).slice(-2000)
    })
    createInterface({ input: child.stdout! }).on('line', line => {
      const { ok, error } = JSON.parse(line) as { ok?: unknown; error?: string }
      const { resolve, reject } = this.#waiting.shift()!
      if (error === undefined) resolve(ok)
      else reject(new Error(error))
    })
    child.stdin!.on('error', () => {})
    child.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`Java ended: ${this.#last}`))
    })
  }

  /** A topic that keeps records of any age. */
  createTopic(topic: string, partitions: number, config: Record<string, string> = {}): Promise<void> {
    return this.#ask({ kind: 'createTopic', topic, partitions, config: { 'retention.ms': '-1', ...config } })
  }

  /** Opens a producer; one with a `transactional.id` begins by fencing who had it before. */
  async producer(name: string, config: Record<string, string> = {}): Promise<JavaProducer> {
    await this.#ask({ kind: 'producer', name, config })
    const tell = (kind: string): Promise<void> => this.#ask({ kind, name })
    return {
      send: (topic, partition, records) => this.#ask({ kind: 'send', name, topic, partition, records }),
      begin: () => tell('begin'),
      commit: () => tell('commit'),
      abort: () => tell('abort'),
    }
  }

  /** Reads a partition to the end that the isolation level shows. */
  consume(
    topic: string,
    partition: number,
    isolation: Isolation,
    config: Record<string, string> = {},
  ): Promise<{ records: ReadRecord[]; position: number }> {
    return this.#ask({ kind: 'consume', topic, partition, config: { ...config, 'isolation.level': isolation } })
  }

  /** As Admin.listConsumerGroupOffsets tells them. */
  positions(group: string): Promise<Position[]> {
    return this.#ask({ kind: 'positions', group })
  }

  /** With Admin.alterConsumerGroupOffsets. */
  setPositions(group: string, positions: readonly Omit<Position, 'group'>[]): Promise<void> {
    return this.#ask({ kind: 'setPositions', group, positions })
  }

  /** With KafkaConsumer.commitSync. */
  commitAsConsumer(group: string, positions: readonly Omit<Position, 'group'>[]): Promise<void> {
    return this.#ask({ kind: 'commitAsConsumer', group, positions })
  }

  /** With Admin.fenceProducers: what they have open is aborted. */
  fence(ids: readonly string[]): Promise<void> {
    return this.#ask({ kind: 'fence', ids })
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise(resolve => this.#child.once('close', resolve))
      this.#child.stdin!.end()
      await ended
    }
    this.#release()
  }

  #ask<T>(question: object): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#child.exitCode !== null) return reject(new Error(`Java ended: ${this.#last}`))
      this.#waiting.push({ resolve: resolve as (answer: unknown) => void, reject })
      this.#child.stdin!.write(`${JSON.stringify(question)}\n`)
    })
  }
}

export interface JavaProducer {
  /** Resolves when the records are at the broker: their offsets. */
  send(topic: string, partition: number, records: readonly PlainRecord[]): Promise<number[]>
  begin(): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
}

/** @returns why there is none when only the Java that runs programs is here, and the one that compiles cannot be had */
export async function startJavaPeer(bootstrap: string): Promise<JavaPeer | string> {
  const kafka = await findOrInstallKafka()
  if (kafka.image !== null) return "Kafka runs in Docker: neither Java nor Kafka's jars are on this machine"
  const java = compiler(kafka) ?? installPackage(JDK) ?? compiler(kafka)
  if (java === null) return 'the Java on this machine compiles nothing (it is no JDK)'
  if (typeof java === 'string') return java
  return new JavaPeer(kafka, java.path, bootstrap)
}

function compiler(kafka: Kafka): { path: string } | null {
  const path = [kafka.java, 'java'].find(one => {
    const { status, stdout } = spawnSync(one, ['--list-modules'], { encoding: 'utf8' })
    return status === 0 && stdout.includes('jdk.compiler@')
  })
  return path === undefined ? null : { path }
}
