/** Joins of streams and tables over 10,000 keys, one worker: records a second, CPU of a record. */
import { JOIN_JOBS } from './timed-jobs.ts'
import { runTimed } from './timed-run.ts'

export async function bench(args: string[]): Promise<void> {
  await runTimed('joins', JOIN_JOBS, args)
}
