/** Runs one job of windows or joins over a workload that is there already, and counts what it told. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, type Log, Producer } from '../src/index.ts'
import { openLog } from '../src/log/host.ts'
import { partitionOf } from '../src/record/partitioner.ts'
import { start } from '../src/runtime/start.ts'
import { readTopic } from '../src/testing/read-topic.ts'
import { cpuSeconds, parseOptions, result } from './measure.ts'
import { committed, processed, round, until } from './running.ts'
import { TIMED, type TimedJob, timedJob } from './timed-jobs.ts'
import { keyName, STEP_MS, TIMED_START, type TimedWorkload, timeOf } from './timed-workload.ts'

const FLUSH_BYTES = 512 * 1024
const HOUR = 3_600_000
const HALF_SECOND = 500

/** Each of `jobs`, or the one that `--job` names. */
export async function runTimed(bench: string, jobs: readonly string[], args: readonly string[]): Promise<void> {
  const options = parseOptions(args, {
    job: { kind: 'text', default: 'all', choices: ['all', ...jobs] },
    keys: { kind: 'number', default: 10_000, min: 1 },
    /** Readings of each key, in sixes. */
    rows: { kind: 'number', default: 10, min: 1 },
    partitions: { kind: 'number', default: 4, min: 1 },
    durability: { kind: 'text', default: 'disk', choices: ['process', 'disk'] },
  })
  const durability = options.durability === 'disk' ? 'disk' : 'process'
  for (const job of options.job === 'all' ? jobs : [options.job]) {
    const folder = mkdtempSync(join(tmpdir(), 'aldebaran-bench-'))
    try {
      await runOne(bench, job, folder, durability, { keys: options.keys, steps: options.rows * 6 }, options.partitions)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function runOne(
  bench: string,
  name: string,
  folder: string,
  durability: 'process' | 'disk',
  workload: TimedWorkload,
  partitions: number,
): Promise<void> {
  const job = timedJob(name, partitions)
  const n = await fill(folder, durability, job, workload)
  // The worker builds the application from it.
  Object.assign(process.env, { TIMED_JOB: name, TIMED_PARTITIONS: String(partitions) })
  const running = await start(job.application, {
    log: embedded(folder, { durability, maxSize: '256GB' }),
    workers: 1,
    entry: new URL('./timed-entry.ts', import.meta.url),
    report: (level, message, details) => {
      if (level !== 'info') process.stderr.write(`${level}: ${message} ${JSON.stringify(details)}\n`)
    },
  })
  const begun = await until(running, () => processed(running) > 0, 60_000, 1)
  const cpu = cpuSeconds()
  const finished = await until(running, () => committed(running, `${TIMED}.${TIMED}`) === n, 600_000, 5)
  const cpuUsed = cpuSeconds() - cpu
  const seconds = (finished - begun) / 1000
  const expected = job.expected(workload)
  const told = readTopic(running.log, job.results).map(({ value }) => (value as { n: number }).n)
  const sum = told.reduce((a, b) => a + b, 0)
  const dead = running.workers.reduce((total, worker) => total + worker.measures.get('deadLetters'), 0)
  await running.stop()
  const isRight = told.length === expected.results && (Number.isNaN(expected.sum) || sum === expected.sum)
  result({
    bench,
    job: name,
    engine: 'embedded',
    guarantee: `exactly-once, ${durability}`,
    workers: 1,
    keys: workload.keys,
    n,
    seconds: round(seconds, 3),
    rate: Math.round(n / seconds),
    cpu_s: round(cpuUsed, 2),
    cpu_us_per_record: round((cpuUsed * 1e6) / n, 2),
    results: told.length,
    expected: expected.results,
    sum,
    dead_letters: dead,
    right: isRight && dead === 0,
  })
  if (!isRight || dead > 0) process.exitCode = 1
}

/** Returns how many records there are. */
async function fill(
  folder: string,
  durability: 'process' | 'disk',
  job: TimedJob,
  workload: TimedWorkload,
): Promise<number> {
  const { lefts, rightTopic, rights } = job
  const host = await openLog({ path: folder, durability, maxBytes: 256e9 })
  const log = host.client()
  const topics = rights === 'none' ? [lefts] : [lefts, rightTopic]
  for (const { name, options } of topics) await log.createTopic(name, options)
  const producer = new Producer(log)
  const names = Array.from({ length: workload.keys }, (_, key) => keyName(key))
  const reading = { reading: 0 }
  const send = (to: typeof lefts, key: number, timestamp: number): void => {
    reading.reading = ((key * 7919 + timestamp) % 5000) / 100
    producer.send(to, names[key]!, reading, { timestamp })
  }
  if (rights === 'first') {
    for (let key = 0; key < workload.keys; key++) send(rightTopic, key, TIMED_START - HOUR)
    await producer.flush()
  }
  for (let step = 0; step < workload.steps; step++) {
    for (let key = 0; key < workload.keys; key++) {
      const time = timeOf(workload, key, step)
      send(lefts, key, time)
      if (rights === 'all' || (rights === 'half' && step % 2 === 0)) send(rightTopic, key, time + HALF_SECOND)
      if ((key & 255) === 0 && producer.bytes >= FLUSH_BYTES) await producer.flush()
    }
  }
  await producer.flush()
  // Behind the last windows, in every partition; these have none that end. Of tables they would be changes.
  if (rights === 'none' || rights === 'half') {
    const end = timeOf(workload, 0, workload.steps) + STEP_MS + HOUR
    for (let i = 0; i < topics.length; i++) {
      for (const key of oneOfEach(names, lefts.options.partitions)) send(topics[i]!, key, end + i * HOUR)
    }
    await producer.flush()
  }
  const n = topics.reduce((total, { name, options }) => total + recordsOf(log, name, options.partitions), 0)
  await log.close()
  await host.close()
  return n
}

/** A key for each partition. */
function oneOfEach(names: readonly string[], partitions: number): number[] {
  const found = new Map<number, number>()
  for (let key = 0; key < names.length && found.size < partitions; key++) {
    const bytes = Buffer.from(names[key]!)
    const partition = partitionOf(bytes, 0, bytes.length, partitions)
    if (!found.has(partition)) found.set(partition, key)
  }
  return [...found.values()]
}

function recordsOf(log: Log, name: string, partitions: number): number {
  let records = 0
  for (let i = 0; i < partitions; i++) records += log.partition(name, i).end
  return records
}
