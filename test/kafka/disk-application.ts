/** An application with a disk table, under a name of its own: see `disk-node.ts`. */
import { type Application, application, int32, pipeline, text, topic, t as types } from '../../src/index.ts'

export const PARTITIONS = 2
/** A word that deletes the row of its key. */
export const FORGET = 'forget'

export function topicsOf(name: string) {
  return {
    words: topic(`${name}-words`, { key: text(), value: text(), partitions: PARTITIONS }),
    told: topic(`${name}-told`, { key: text(), value: int32(), partitions: PARTITIONS }),
  }
}

/** Counts the words of each key in a table, and tells each count. */
export function countingOnDisk(name: string, withNote: boolean): Application {
  const { words, told } = topicsOf(name)
  const count = pipeline('count')
  const counts = count.table('counts', {
    key: text(),
    row: { count: types.int, last: types.string, ...(withNote ? { note: types.string } : {}) },
    timers: { never: 'processing' },
    store: 'disk',
  })
  count
    .from(words)
    .into(counts, (word, row, { now }) => {
      if (word === FORGET) {
        row.delete()
        return 0
      }
      row.count++
      row.last = word
      row.never = now + 86_400_000
      return row.count
    })
    .to(told)
  counts.on('never', row => row.delete())
  return application(name, { pipelines: [count] })
}

/** Each thread makes it from what the process was given. */
export const app = countingOnDisk(process.env.DISK_NAME ?? 'disk', process.env.DISK_NOTE === '1')
