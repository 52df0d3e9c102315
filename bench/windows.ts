/** Windows of each kind with a count and a mean over 10,000 keys, one worker: records a second, CPU of a record. */
import { WINDOW_JOBS } from './timed-jobs.ts'
import { runTimed } from './timed-run.ts'

export async function bench(args: string[]): Promise<void> {
  await runTimed('windows', WINDOW_JOBS, args)
}
