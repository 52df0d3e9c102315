/** What the API does for operators, for the routes of an application: by the same rules, in turn with the others. */
import { type Command, parseCommand } from '../delivery/commands.ts'
import type { Running } from '../runtime/start.ts'
import type { ChangeAnswer } from './dead-letter-box.ts'
import { DeliverySite } from './delivery-site.ts'
import type { LetterFilter } from './letter-filter.ts'
import { type NewestOptions, newestRecords } from './newest-records.ts'
import type { Site } from './site.ts'

export interface Operations {
  /**
   * Tells a delivery of the application to do something, as POST /deliveries/:delivery/commands does.
   * @throws AldebaranError NOT_FOUND, VALUE_INVALID
   */
  command(delivery: string, command: Command): Promise<void>
  /**
   * Replays the open dead letters that pass. `changed` of the answer: how many.
   * @throws AldebaranError BUSY: another node is at it
   */
  replay(filter: Partial<Omit<LetterFilter, 'state'>>): Promise<ChangeAnswer>
  /**
   * Sends now what is scheduled for a destination of a delivery and was taken in from `since` on, before `until`; ms since
   * 1970. `more`: it was too much for once, ask again.
   * @throws AldebaranError NOT_FOUND; BUSY, WORKER_DIED: a task cannot be asked now
   */
  sendScheduled(
    delivery: string,
    destination: string,
    range: { since: number; until: number | undefined },
  ): Promise<{ sent: number; more: boolean }>
  /**
   * The values of the newest records of a topic as JSON, the newest first. It looks back over 64 MB at most.
   * @throws AldebaranError TOPIC_UNKNOWN
   */
  newest(topic: string, options: NewestOptions): Promise<unknown[]>
}

export function operationsOf(site: Site, running: Running): Operations {
  const { name } = running.application
  return {
    async command(delivery, command) {
      await DeliverySite.find(site, delivery, name).command(parseCommand(command))
    },
    async sendScheduled(delivery, destination, { since, until = Number.POSITIVE_INFINITY }) {
      return await DeliverySite.find(site, delivery, name).sendScheduled(destination, since, until)
    },
    replay: ({ code, topic, ...filter }) => site.letters(running).replay({ all: true, code, topic, ...filter }),
    async newest(topic, options) {
      const { records } = await newestRecords(await site.topic(topic, name), options)
      return records.reverse().map(({ value }) => value)
    },
  }
}
