import type { Command } from 'commander'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'

/** What `apps/audit/explain` exports. */
interface ExplainModule {
  explain(
    api: { get<T>(path: string, query?: Record<string, string | number>): Promise<T> },
    id: string,
  ): Promise<Story>
}

interface Story {
  found: boolean
  sentences: string[]
  events: { time: string; what: string; shares: number; sum: number; id: string; stock: string }[]
}

export function define(command: Command, session: Session): void {
  command
    .command('explain')
    .description('the story of one order: what was requested, bought and reported, and why')
    .argument('<id>', 'of the order')
    .action((id: string) => explain(session, id))
}

async function explain(session: Session, id: string): Promise<void> {
  const { api, out } = session
  const module = (await import(packageModule('apps/audit/explain').href)) as ExplainModule
  const story = await module.explain(api, id)
  if (!story.found) session.exitCode = 1
  if (out.json) {
    out.value(story)
    return
  }
  for (const sentence of story.sentences) out.text(sentence)
  if (story.events.length === 0) return
  const columns = [
    { header: 'TIME', cell: (event: Story['events'][number]) => event.time },
    { header: 'WHAT', cell: (event: Story['events'][number]) => event.what },
    { header: 'SHARES', cell: (event: Story['events'][number]) => event.shares, right: true },
    { header: 'BOUGHT', cell: (event: Story['events'][number]) => event.sum, right: true },
    { header: 'ID', cell: (event: Story['events'][number]) => event.id },
    { header: 'STOCK', cell: (event: Story['events'][number]) => event.stock },
  ]
  out.text('')
  out.rows(columns, story.events, '')
}
