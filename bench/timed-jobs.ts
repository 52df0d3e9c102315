/** What is measured of windows and joins: an application for each, and what it must tell. */
import {
  type AnyTopic,
  type Application,
  application,
  avro,
  count,
  hopping,
  mean,
  pipeline,
  rolling,
  session,
  sliding,
  t,
  text,
  topic,
  tumbling,
} from '../src/index.ts'
import { type Expected, fixedWindows, sessions, type TimedWorkload, trailing } from './timed-workload.ts'

export const TIMED = 'timed'
const MINUTE = 60_000
const HOP = 12_000

const key = text()
const value = avro('Reading', { reading: t.double })
const told = avro('Told', { n: t.int, mean: t.optional(t.double) })

interface Inputs {
  /** Of what is read on the right side: each second step; one of each key, before all others; all of them; nothing. */
  readonly rights: 'half' | 'first' | 'all' | 'none'
}

export interface TimedJob extends Inputs {
  readonly application: Application
  readonly lefts: ReturnType<typeof inputTopic>
  readonly rights: Inputs['rights']
  readonly rightTopic: ReturnType<typeof inputTopic>
  readonly results: AnyTopic
  expected(workload: TimedWorkload): Expected
}

function inputTopic(name: string, partitions: number) {
  return topic(name, { key, value, partitions, retentionTime: '36500d' })
}

const windows = {
  tumbling: { window: tumbling(MINUTE), expected: (of: TimedWorkload) => fixedWindows(of, MINUTE, MINUTE) },
  hopping: { window: hopping(MINUTE, HOP), expected: (of: TimedWorkload) => fixedWindows(of, MINUTE, HOP) },
  session: { window: session(MINUTE / 2), expected: sessions },
  rolling: { window: rolling(MINUTE), expected: (of: TimedWorkload) => trailing(of, false) },
  sliding: { window: sliding(MINUTE), expected: (of: TimedWorkload) => trailing(of, true) },
}
export type WindowJob = keyof typeof windows
export const WINDOW_JOBS = Object.keys(windows) as WindowJob[]

export const JOIN_JOBS = ['stream-table', 'table-table', 'stream-stream', 'stream-stream-left'] as const
export type JoinJob = (typeof JOIN_JOBS)[number]

export function timedJob(job: string, partitions: number): TimedJob {
  const lefts = inputTopic('lefts', partitions)
  const rightTopic = inputTopic('rights', partitions)
  const results = topic('results', { key, value: told, partitions, retentionTime: '36500d' })
  const topics = { lefts, rightTopic, results }
  const p = pipeline(TIMED)
  const left = p.from(lefts, { idleAfter: false })
  if (job in windows) {
    const { window, expected } = windows[job as WindowJob]
    left
      .window('windows', window)
      .aggregate({ n: count(), mean: mean(one => one.reading) })
      .map(({ n, mean: found }) => ({ n, mean: found }))
      .to(results)
    return { ...topics, application: application(TIMED, { pipelines: [p] }), rights: 'none', expected }
  }
  const right = p.from(rightTopic, { idleAfter: false })
  const pair = (l: { reading: number } | null, r: { reading: number } | null) => {
    const isPair = l !== null && r !== null
    return { n: isPair ? 1 : 0, mean: isPair ? (l.reading + r.reading) / 2 : null }
  }
  const both = { within: '1s', left: value, right: value }
  const all = ({ keys, steps }: TimedWorkload): number => keys * steps
  const jobs: Record<JoinJob, () => Inputs & { expected(of: TimedWorkload): Expected }> = {
    'stream-table': () => {
      left.join(right.toTable('right', { value }), pair).to(results)
      return { rights: 'first', expected: of => ({ results: all(of), sum: all(of) }) }
    },
    'table-table': () => {
      const joined = left.toTable('left', { value }).outerJoin(right.toTable('right', { value }), pair)
      joined
        .toStream()
        .map(change => change ?? { n: 0, mean: null })
        .to(results)
      // How many have both sides depends on which side is read first.
      return { rights: 'all', expected: of => ({ results: 2 * all(of), sum: Number.NaN }) }
    },
    'stream-stream': () => {
      left.join(right, 'pairs', both, pair).to(results)
      return { rights: 'half', expected: of => ({ results: all(of) / 2, sum: all(of) / 2 }) }
    },
    'stream-stream-left': () => {
      left.leftJoin(right, 'pairs', both, pair).to(results)
      return { rights: 'half', expected: of => ({ results: all(of), sum: all(of) / 2 }) }
    },
  }
  const { rights, expected } = jobs[job as JoinJob]()
  return { ...topics, application: application(TIMED, { pipelines: [p] }), rights, expected }
}
