/** The application that is measured, as its worker threads import it. */
import { timedJob } from './timed-jobs.ts'

export const app = timedJob(process.env.TIMED_JOB ?? 'tumbling', Number(process.env.TIMED_PARTITIONS ?? 4)).application
